"""PgBouncer in front of a PostgreSQL of a test's own, as `deploy/pgbouncer.ini` sets it up."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.documentation import ROOT
from tests.server.cluster import Cluster
from tests.services import find_program
from tests.steady.redis_server import find_free_port

_USER, _PASSWORD = "test", "password"
_START_SECONDS = 20


class PgBouncer:
    """One that listens on loopback. ``port`` stays the same when it is started again."""

    def __init__(self, folder: Path, cluster: Cluster, settings: str) -> None:
        self.port = find_free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self._folder = folder
        (folder / "userlist.txt").write_text(f'"{_USER}" "{_PASSWORD}"\n')
        text = (ROOT / "deploy" / "pgbouncer.ini").read_text("utf-8")
        replaced = {
            "port=5432 dbname=oauth": f"port={cluster.port} dbname=postgres",
            "6432": str(self.port),
            "/etc/pgbouncer": str(folder),
        }
        for old, new in replaced.items():
            assert old in text
            text = text.replace(old, new)
        (folder / "pgbouncer.ini").write_text(f"{text}unix_socket_dir =\n{settings}\n")

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://{_USER}:{_PASSWORD}@127.0.0.1:{self.port}/oauth"

    def start(self) -> None:
        program = find_program("pgbouncer")
        assert program is not None
        user = "postgres" if os.geteuid() == 0 else None  # it refuses to run as root
        with (self._folder / "log").open("ab") as log:
            command = [program, str(self._folder / "pgbouncer.ini")]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, user=user, cwd="/")
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                assert self.process.poll() is None, (self._folder / "log").read_text()
                assert time.monotonic() < deadline, "it does not answer"
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """At once; it does not matter whether it runs."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(10)
            self.process = None


@contextmanager
def run_pgbouncer(cluster: Cluster, *settings: str) -> Iterator[PgBouncer]:
    """Start one.

    :param settings: lines at the end of its file.
    """
    with tempfile.TemporaryDirectory(prefix="pgbouncer") as name:
        folder = Path(name)
        folder.chmod(0o755)
        pooler = PgBouncer(folder, cluster, "\n".join(settings))
        pooler.start()
        try:
            yield pooler
        finally:
            pooler.stop()
