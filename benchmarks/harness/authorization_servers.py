"""Authorization servers under load: ours and django-oauth-toolkit's, each one process on one core with a SQLite file."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any, Final, Self
from urllib.parse import urlencode

from .environments import describe, prepare
from .load import Load
from .report import Row

__all__ = ["AuthorizationServer", "Costs", "compose_form", "describe_peer", "measure_costs"]

_ROOT: Final = Path(__file__).parent.parent.parent
_PEER: Final = "django_toolkit"
_SERVER_CORE: Final = {min(os.sched_getaffinity(0))}


class AuthorizationServer:
    """A server with its data, from the ``with`` to its end.

    :param kind: ``ours`` or ``peer``.
    :param live: how many live access tokens of others there are in its database.
    :param prepared: how many codes and refresh tokens there are to be used.
    :param options: what else it is told.
    """

    def __init__(self, kind: str, *, live: int, prepared: int = 0, threads: int = 4, **options: Any) -> None:
        self._folder = tempfile.TemporaryDirectory()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        told = {
            "port": self.port,
            "threads": threads,
            "folder": self._folder.name,
            "live": live,
            "prepared": prepared,
            **options,
        }
        python = sys.executable if kind == "ours" else str(prepare(_PEER) / "bin/python")
        module = "benchmarks.harness.our_authorization_server" if kind == "ours" else "benchmarks.peers.django_server"
        self._process = subprocess.Popen(
            [python, "-W", "ignore", "-m", module, json.dumps(told)],
            cwd=_ROOT,
            preexec_fn=lambda: os.sched_setaffinity(0, _SERVER_CORE),  # noqa: PLW1509  # no thread runs yet that could hold a lock
            stderr=subprocess.DEVNULL,
        )
        self._await_start()
        #: What it made: client credentials, tokens, codes, refresh tokens and its paths.
        self.given: dict[str, Any] = json.loads((Path(self._folder.name) / "given.json").read_text())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.terminate()
        self._process.wait(10)
        self._folder.cleanup()

    @property
    def cpu(self) -> float:
        """Seconds of CPU time that the process has used, all its threads together, to the nanosecond."""
        return time.clock_gettime((~self._process.pid << 3) | 2)  # as clock_getcpuclockid(3) makes it

    def compose(self, path: str, who: str, form: Mapping[str, str]) -> bytes:
        """A POST of one of its clients."""
        return compose_form(self.given["paths"][path], self.given["clients"][who], form)

    def _await_start(self) -> None:
        until = time.monotonic() + 900  # a million rows take their time
        while time.monotonic() < until and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise RuntimeError("the server did not start")


def compose_form(path: str, client: Iterable[str], form: Mapping[str, str]) -> bytes:
    """A POST request with HTTP Basic."""
    body = urlencode(form)
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: Basic {base64.b64encode(':'.join(client).encode()).decode()}",
        "Content-Type: application/x-www-form-urlencoded",
        f"Content-Length: {len(body)}",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


@dataclass(frozen=True, slots=True)
class Costs:
    """What batches cost a server, in seconds for one request.

    :ivar cpu: of the process, batch by batch.
    :ivar clock: by the clock.
    """

    cpu: list[float] = field(default_factory=list)
    clock: list[float] = field(default_factory=list)

    def as_row(self, what: str) -> Row:
        """The medians."""
        return Row(what, round(median(self.cpu) * 1e6), "µs", note=f"{1 / median(self.clock):.0f} a second")


def measure_costs(
    subjects: Mapping[str, tuple[AuthorizationServer, Iterator[bytes]]], *, batch: int, pairs: int
) -> dict[str, Costs]:
    """What a request costs each server: after a batch each to warm up, one of each in turn, ``pairs`` times.

    So whatever else the machine does meets all of them alike, and the ratio of two is that of their pairs.
    """
    found = {name: Costs() for name in subjects}
    with ExitStack() as stack:
        loads = {name: stack.enter_context(Load(server.port)) for name, (server, _) in subjects.items()}
        for number in range(pairs + 1):
            for name, (server, requests) in subjects.items():
                cpu, clock = _measure(server, loads[name], list(islice(requests, batch)), batch)
                if number:
                    found[name].cpu.append(cpu)
                    found[name].clock.append(clock)
    return found


def _measure(server: AuthorizationServer, load: Load, requests: list[bytes], count: int) -> tuple[float, float]:
    """Seconds of the server's CPU and of the clock for one request, each of which must be answered 200."""
    begun, clock = server.cpu, time.perf_counter()
    answers = load.drive(requests)
    spent, passed = server.cpu - begun, time.perf_counter() - clock
    if answers.statuses != {200: count}:
        raise AssertionError(f"answered with {dict(answers.statuses)} of {count}")
    return spent / count, passed / count


def describe_peer() -> str:
    """Its versions."""
    return describe(_PEER)
