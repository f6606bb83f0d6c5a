"""Programs of the machine that tests start: `@pytest.mark.needs("redis-server")`, and the one Chromium of a run.

Where it is not installed the test is skipped and says so; with CI=true it fails, since there nothing may be left unseen.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# Debian keeps initdb and pg_ctl off the PATH.
_ELSEWHERE = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)

_CHROMIUM_FLAGS = [
    "--headless=new",
    "--no-sandbox",  # it can't be had as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find_program(name: str) -> str | None:
    """Return the path of an installed program, or None."""
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(map(str, _ELSEWHERE)))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, or with CI=true fail, a test whose programs are not here."""
    wanted = [program for marker in item.iter_markers("needs") for program in marker.args]
    missing = [program for program in wanted if find_program(program) is None]
    if not missing:
        return
    reason = f"not installed: {', '.join(missing)}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The system's Chromium, without a window; the test says `needs("chromium")`.

    One for the whole run: a second Playwright in the same thread refuses to start while the first is open.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_program("chromium"), args=_CHROMIUM_FLAGS)
        yield browser
        browser.close()
