"""Servers under test: ours and the peers', each a process on one core, asked what CPU time it used."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote_plus

from tests.issuers import CLIENT

from .environments import build_command, describe
from .issuer import Issuer

__all__ = ["BY_HAND", "OURS", "PEER_SUBJECTS", "Server", "Subject", "pin_load"]

_ROOT: Final = Path(__file__).parent.parent.parent
_CORES: Final = sorted(os.sched_getaffinity(0))
_SERVER_CORE: Final = {_CORES[0]}
_LOAD_CORE: Final = {_CORES[-1]}


@dataclass(frozen=True, slots=True)
class Subject:
    """A server that can be measured.

    :ivar paths: where it checks, by mode: ``local``, ``remote``, ``remote_cached``.
    :ivar claims: what its tokens must say besides.
    """

    name: str
    build_command: Callable[[], list[str]]
    paths: Mapping[str, str]
    describe: Callable[[], str] = lambda: ""
    claims: Mapping[str, Any] = field(default_factory=dict)


class Server:
    """A subject that runs, from the ``with`` to its end, on a core that the load does not use.

    :param threads: how many requests it may work on at once, where it has threads for that.
    :param cooldown: seconds between two fetches of the keys that an unknown one may cause.
    :param settings: more settings, of ours only.
    """

    def __init__(
        self, subject: Subject, issuer: Issuer, *, threads: int = 4, cooldown: int = 30, **settings: str
    ) -> None:
        self.subject = subject
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        options = {
            "port": self.port,
            "threads": threads,
            "issuer": issuer.origin,
            "audience": issuer.settings["oauthguard.audience"],
            "jwks_uri": f"{issuer.origin}/jwks",
            "introspection_endpoint": f"{issuer.origin}/introspect",
            "user": quote_plus(CLIENT[0]),
            "password": quote_plus(CLIENT[1]),
            "public_key": issuer.public_key,
            "cooldown": cooldown,
            "settings": {
                **issuer.settings,
                "oauthguard.keys.cooldown": str(cooldown),
                # Not bounded: what an answer costs is asked, and a refusal would be cheap.
                "oauthguard.introspection.max_in_flight": str(threads),
                **settings,
            },
        }
        self._process = subprocess.Popen(
            [*subject.build_command(), json.dumps(options)],
            cwd=_ROOT,
            preexec_fn=lambda: os.sched_setaffinity(0, _SERVER_CORE),  # noqa: PLW1509  # no thread runs yet that could hold a lock
            stderr=subprocess.DEVNULL,
        )
        self._await_start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.terminate()
        self._process.wait(10)

    @property
    def cpu(self) -> float:
        """Seconds of CPU time that the process has used, all its threads together, to the nanosecond."""
        return time.clock_gettime((~self._process.pid << 3) | 2)  # as clock_getcpuclockid(3) makes it

    def _await_start(self) -> None:
        until = time.monotonic() + 30
        while time.monotonic() < until and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise RuntimeError(f"{self.subject.name} did not start")


def pin_load() -> None:
    """Keep this process, which makes the load, off the servers' core."""
    os.sched_setaffinity(0, _LOAD_CORE)


def _ours(*arguments: str) -> list[str]:
    return [sys.executable, "-W", "ignore", "-m", "benchmarks.harness.ours", *arguments]


def _peer(program: str, name: str, paths: Mapping[str, str], **more: Any) -> Subject:
    return Subject(name, partial(build_command, program), paths, partial(describe, program), **more)


OURS: Final = Subject("pyramid_oauthguard", _ours, {"local": "/local", "remote": "/remote", "remote_cached": "/remote"})
PEER_SUBJECTS: Final = (
    _peer("fastapi_pyjwt", "FastAPI + PyJWKClient", {"local": "/local"}),
    _peer("flask_authlib", "Flask + Authlib", {"local": "/local", "remote": "/remote"}),
    _peer("pyramid_jwt_policy", "pyramid_jwt", {"local": "/local"}),
    _peer("express_bearer", "express-oauth2-jwt-bearer", {"local": "/local"}),
    _peer(
        "django_toolkit", "django-oauth-toolkit", {"remote": "/remote", "remote_cached": "/remote"}, claims={"aud": []}
    ),
)
BY_HAND: Final = (
    _peer("by_hand", "Pyramid, joserfc each time", {"local": "/local"}),
    _peer(
        "by_hand",
        "Pyramid, a verdict in dogpile",
        {"local": "/remembered", "remote_cached": "/remote_remembered"},
    ),
    _peer("by_hand", "Pyramid, requests each time", {"remote": "/remote"}),
)
