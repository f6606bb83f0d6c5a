"""Programs of the machine that tests start: `@pytest.mark.needs("redis-server")`, and the one Chromium of a run.

Where it is not installed the test is skipped and says so; with CI=true it fails, since there nothing may be left unseen.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# Debian keeps initdb and pg_ctl off the PATH.
_ELSEWHERE = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)

# Of Node: what npm's oidc-provider asks for. Debian 12 has an older one.
_OLDEST_NODE = 20

_CHROMIUM_FLAGS = [
    "--headless=new",
    "--no-sandbox",  # root can't have it
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


@cache
def _find_lack(name: str) -> str | None:
    """What to say of a program that is not here, or too old."""
    path = find_program(name)
    if path is None:
        return f"{name} is not installed"
    if name == "node":
        version = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout.strip()
        if int(version.lstrip("v").partition(".")[0]) < _OLDEST_NODE:
            return f"Node {version} is older than {_OLDEST_NODE}"
    return None


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, or with CI=true fail, a test whose programs are not here."""
    wanted = [program for marker in item.iter_markers("needs") for program in marker.args]
    lacking = [lack for lack in map(_find_lack, wanted) if lack is not None]
    if not lacking:
        return
    reason = ", ".join(lacking)
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
