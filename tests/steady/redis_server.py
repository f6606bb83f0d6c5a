"""Debian's redis-server on a free port, in a folder of the test's, to be stopped, started and filled with rubbish."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis

from tests.services import find_program


class RedisServer:
    """A Redis that keeps nothing on disk. `port` stays the same when it is started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = find_free_port()
        self.client: Any = redis.Redis(port=self.port, socket_timeout=5)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        program = find_program("redis-server")
        assert program is not None
        arguments = ["--port", self.port, "--bind", "127.0.0.1", "--save", "", "--dir", self.folder]
        self._process = subprocess.Popen(
            [program, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 20
        while True:
            try:
                self.client.ping()
            except redis.ConnectionError:
                assert time.monotonic() < deadline, "redis-server does not answer"
                assert self._process.poll() is None, "redis-server did not start"
                time.sleep(0.02)
            else:
                return

    def kill(self) -> None:
        """As a machine that loses power."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def freeze(self) -> None:
        """Connections stay open, nothing answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def settings(self, *caches: str) -> dict[str, Any]:
        """Let these caches of the guard be here: each is `jwks`, `metadata`, `introspection` or `inactive`."""
        found: dict[str, Any] = {}
        for cache in caches:
            found[f"oauthguard.cache.{cache}.backend"] = "dogpile.cache.redis"
            found[f"oauthguard.cache.{cache}.arguments.port"] = str(self.port)
        return found

    def read_all(self) -> dict[bytes, bytes]:
        """Everything in it."""
        return {key: self.client.get(key) for key in self.client.scan_iter()}


@contextmanager
def run_redis(folder: Path) -> Iterator[RedisServer]:
    server = RedisServer(folder)
    server.start()
    try:
        yield server
    finally:
        server.client.close()
        server.kill()


def find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
