"""The command as a person or a script has it: a process with an environment, a folder and two pipes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


def find_command() -> str:
    found = shutil.which("oauthguard", path=str(Path(sys.executable).parent))
    assert found, "the distribution is not installed here"
    return found


@dataclass
class Answered:
    """How a run ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Terminal:
    """Runs ``oauthguard`` in ``cwd`` with ``environ`` and a home of its own."""

    home: Path
    cwd: Path
    environ: dict[str, str] = field(default_factory=dict)

    def full_environ(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
        kept |= {name: value for name, value in os.environ.items() if name.startswith(("COV", "COVERAGE"))}
        return {
            **kept,
            "HOME": str(self.home.parent),
            "OAUTHGUARD_HOME": str(self.home),
            "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
            **self.environ,
        }

    def run(self, *args: str, stdin: str | None = None, timeout: float = 60, **environ: str) -> Answered:
        done = subprocess.run(
            [find_command(), *args],
            input=stdin if stdin is not None else "",
            env={**self.full_environ(), **environ},
            cwd=self.cwd,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Answered(done.returncode, done.stdout, done.stderr)

    def start(self, *args: str, stdin: int = subprocess.PIPE, **environ: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [find_command(), *args],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**self.full_environ(), **environ},
            cwd=self.cwd,
            text=True,
        )
