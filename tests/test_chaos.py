"""The faults of `python -m benchmarks.chaos` can be listed, and one of them is brought about."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.chaos.faults import FAULTS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent


def run(*arguments, timeout=250):
    command = [sys.executable, "-m", "benchmarks.chaos", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout, check=False)


def test_each_fault_has_a_name_of_its_own_and_says_what_is_right():
    listed = run("--list").stdout.splitlines()
    assert len(listed) == len({fault.name for fault in FAULTS}) == len(FAULTS)
    assert all(fault.right for fault in FAULTS)


def test_the_docs_have_a_row_for_each_fault():
    page = (ROOT / "docs" / "project" / "faults.md").read_text("utf-8").partition("## One fault at a time")[2]
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    assert [row.split(" | ")[0].removeprefix("| ") for row in rows[1:]] == [fault.name for fault in FAULTS]


@pytest.mark.skipif(
    not (ROOT / ".venv/bin/gunicorn").exists() or shutil.which("redis-server") is None,
    reason="needs gunicorn in .venv, and redis-server",
)
def test_a_fault_is_brought_about_and_judged():
    done = run("redis: it is read-only")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "20 of 200 guesses were checked" in done.stdout
