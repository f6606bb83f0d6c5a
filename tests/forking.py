"""Child processes of a fork: what work gives in one, and that it gives something at all.

Python 3.12 and later warn of a fork in a process that has threads. These tests are about what becomes of them, so here the
warning is ignored. From 3.14 on `multiprocessing` no longer forks by itself on Linux, hence the context by name.
"""

from __future__ import annotations

import ctypes
import faulthandler
import json
import multiprocessing
import os
import select
import signal
import subprocess
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

__all__ = ["HOW", "UNNOTICED", "Child", "needs_fork", "read_all", "run_alone", "run_in_child", "start_child"]

#: The ways in which Python programs fork.
HOW = ["os.fork", "multiprocessing"]
#: A fork that Python is not told of, as uWSGI makes it unless it is configured otherwise.
UNNOTICED = "the C library's"
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
_PATIENCE_SECONDS = 20
_CHECKOUT = Path(__file__).parents[1]


class Child:
    """A process that is doing some work."""

    def __init__(self, pid: int, reader: int, process: Any = None) -> None:
        self.pid = pid
        self._reader = reader
        self._process = process
        self._ended = False

    def result(self, seconds: float = _PATIENCE_SECONDS) -> Any:
        """What the work returned, as JSON has it. An error where it raised, or does not end."""
        received, deadline = b"", time.monotonic() + seconds
        try:
            while select.select([self._reader], [], [], max(0, deadline - time.monotonic()))[0]:
                chunk = os.read(self._reader, 65536)
                if not chunk:
                    break
                received += chunk
            else:
                os.kill(self.pid, signal.SIGUSR1)  # it says where
                time.sleep(1)
                raise AssertionError(f"the child hangs; threads here: {threading.enumerate()}")
        finally:
            self.end()
        assert received, "the child ended without a result"
        found = json.loads(received)
        assert "error" not in found, found["error"]
        return found["result"]

    def end(self) -> None:
        """End it; nothing if it has ended."""
        if self._ended:
            return
        self._ended = True
        os.close(self._reader)
        os.kill(self.pid, signal.SIGKILL)
        if self._process is not None:
            self._process.join()
        else:
            os.waitpid(self.pid, 0)


def start_child(work: Callable[[], Any], how: str = "os.fork") -> Child:
    """Fork, and do `work` in the child. It ends without the finalizers of an interpreter that exits."""
    reader, writer = os.pipe()

    def run() -> None:
        os.close(reader)
        faulthandler.register(signal.SIGUSR1, file=sys.__stderr__, all_threads=True)
        try:
            found = {"result": work()}
        except BaseException:  # noqa: BLE001  # whatever it is, the parent reports it
            found = {"error": traceback.format_exc()}
        os.write(writer, json.dumps(found).encode())
        os._exit(0)

    with _quiet():
        if how == "multiprocessing":
            process = multiprocessing.get_context("fork").Process(target=run)
            process.start()
            child = Child(process.pid or 0, reader, process)
        else:
            pid = os.fork() if how == "os.fork" else _fork_unnoticed()
            if pid == 0:
                run()
            child = Child(pid, reader)
    os.close(writer)
    return child


def run_in_child(work: Callable[[], Any], how: str = "os.fork") -> Any:
    return start_child(work, how).result()


def read_all(children: Mapping[str, Child]) -> dict[str, Any]:
    """The result of each. All of them have ended then, also where one of them hangs."""
    with ExitStack() as stack:
        for child in children.values():
            stack.callback(child.end)
        return {name: child.result() for name, child in children.items()}


def run_alone(function: Callable[..., None], *arguments: Any) -> None:
    """Call a function of a test module in an interpreter of its own, so that no thread of another test is there.

    For :data:`UNNOTICED`: the child has the interpreter's own lock as it was, and hangs sooner or later if another thread was
    waiting for it.
    """
    name = function.__name__
    code = f"import json, sys; from {function.__module__} import {name}; {name}(*json.loads(sys.argv[1]))"
    command = [sys.executable, "-c", code, json.dumps(arguments)]
    ended = subprocess.run(command, cwd=_CHECKOUT, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def _fork_unnoticed() -> int:
    """Fork while no thread asks for the interpreter's lock."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.5)
    time.sleep(0.02)  # threads that asked sooner have the lock now
    pid: int = ctypes.PyDLL(None).fork()
    sys.setswitchinterval(before)
    return pid


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*multi-threaded.*fork", category=DeprecationWarning)
        yield
