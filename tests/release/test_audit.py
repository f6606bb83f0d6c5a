"""An audit that looked nothing up fails."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.documentation import ROOT
from tests.release.tools import install_tools

KNOWN = json.dumps({"dependencies": [{"name": "urllib3", "vulns": [{"id": "X", "aliases": ["CVE-2019-11324"]}]}]})


def run(folder: Path, *, known: str, status: int = 0, zizmor: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the script with programs that answer as given: ``known`` about the version that is known to be bad."""
    pip_audit = f"""#!/bin/sh
case "$*" in
    *known.txt*) echo '{known}'; exit 1;;
    *) echo "$@" >>{folder}/asked; exit {status};;
esac
"""
    for name, text in {"pip-audit": pip_audit, "zizmor": f"#!/bin/sh\nexit {zizmor}\n"}.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    environ = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    return subprocess.run(["bash", ".ci/audit"], cwd=ROOT, env=environ, capture_output=True, text=True, check=False)


def test_an_audit_that_finds_nothing_bad_passes(tmp_path: Path) -> None:
    done = run(tmp_path, known=KNOWN)
    assert done.returncode == 0, done.stderr
    asked = (tmp_path / "asked").read_text()
    assert ".ci/constraints.txt" in asked
    assert "--strict" in asked


@pytest.mark.parametrize(
    "known",
    ["", '{"dependencies": []}', '{"dependencies": [{"name": "urllib3", "skip_reason": "no service"}]}'],
    ids=["silent", "empty", "skipped"],
)
def test_an_audit_whose_service_does_not_answer_fails(tmp_path: Path, known: str) -> None:
    done = run(tmp_path, known=known)
    assert done.returncode == 1
    assert "Nothing was audited" in done.stderr
    assert not (tmp_path / "asked").exists()


def test_a_vulnerability_and_a_fault_of_a_workflow_fail(tmp_path: Path) -> None:
    assert run(tmp_path, known=KNOWN, status=1).returncode == 1
    assert run(tmp_path, known=KNOWN, zizmor=14).returncode == 14
    assert run(tmp_path, known="", zizmor=14).returncode == 14, "it needs no network"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_zizmor_finds_nothing_in_the_workflows() -> None:
    command = [install_tools() / "zizmor", "--offline", "--no-progress", ".github/workflows"]
    done = subprocess.run([*map(str, command)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
