"""`@pytest.mark.needs("redis-server")`: a program of the machine that a test starts.

Where it is not installed the test is skipped and says so; with CI=true it fails, since there nothing may be left unseen.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

# Debian keeps initdb and pg_ctl off the PATH.
_ELSEWHERE = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


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
