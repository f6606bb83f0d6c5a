"""The command as a person or a script has it: a process with an environment, a folder and two pipes."""

from __future__ import annotations

import json
import os
import pty
import select
import shutil
import subprocess
import sys
import time
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
        # Where the tests find the package, if that is not the installed one.
        paths = filter(None, (self.environ.get("PYTHONPATH"), os.environ.get("PYTHONPATH")))
        return {
            **kept,
            "HOME": str(self.home.parent),
            "OAUTHGUARD_HOME": str(self.home),
            "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
            **self.environ,
            "PYTHONPATH": os.pathsep.join(paths),
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


def run_on_pty(terminal: Terminal, *args: str, stdin: str | None = "", **environ: str) -> tuple[int, str]:
    """The command with a terminal for its output: exit status, and what a person sees.

    :param stdin: piped in; None makes the terminal its input as well, where "typed" is typed.
    """
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [find_command(), *args],
        stdin=theirs if stdin is None else subprocess.PIPE,
        stdout=theirs,
        stderr=theirs,
        cwd=terminal.cwd,
        env={**terminal.full_environ(), "TERM": "xterm-256color", "COLUMNS": "100", **environ},
        start_new_session=True,
    )
    os.close(theirs)
    if process.stdin and stdin is not None:
        process.stdin.write(stdin.encode())
        process.stdin.close()
    seen = _read_terminal(ours, process, typed=b"typed\n" if stdin is None else b"")
    os.close(ours)
    return process.wait(10), seen.decode("utf-8", "replace")


def _read_terminal(number: int, process: subprocess.Popen[bytes], *, typed: bytes) -> bytes:
    seen = b""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if select.select([number], [], [], 0.1)[0]:
            try:
                data = os.read(number, 65536)
            except OSError:
                break
            if not data:
                break
            seen += data
            if typed and seen.rstrip().endswith(b":"):
                os.write(number, typed)
                typed = b""
        elif process.poll() is not None:
            break
    return seen
