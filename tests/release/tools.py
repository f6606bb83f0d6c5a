"""The programs of the extra `release`, in an environment of their own: they need much that the tests do not."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.documentation import ROOT

__all__ = ["install_tools"]


def install_tools() -> Path:
    """The folder of the programs."""
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]["release"]
    constraints = ROOT / ".ci" / "constraints.txt"
    name = hashlib.sha256(repr((wanted, sys.version)).encode() + constraints.read_bytes()).hexdigest()[:16]
    home = ROOT / ".cache" / "release-tools" / name
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "done").exists():
            subprocess.run([sys.executable, "-m", "venv", home / "env"], check=True)
            pip = [home / "env" / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check"]
            done = subprocess.run(
                [*map(str, pip), "--constraint", str(constraints), *wanted], capture_output=True, text=True, check=False
            )
            if done.returncode:
                (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"no tools: {done.stderr[-300:]}")
            (home / "done").touch()
    return home / "env" / "bin"
