"""A PostgreSQL of one test's own, to be stopped in the middle of its work, killed and started again."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import sqlalchemy as sa

from pyramid_oauthguard.server.store.sqlalchemy import schema
from pyramid_oauthguard.server.store.sqlalchemy.engine import build_engine
from tests.services import find_program
from tests.steady.redis_server import find_free_port

_BLOCK = 65_536


class Cluster:
    """One that listens on loopback and on a Unix socket. ``port`` stays the same when it is started again."""

    def __init__(self, folder: Path) -> None:
        # PostgreSQL refuses to run as root.
        self._user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        self._folder = folder
        self._data = folder / "data"
        self._filling = folder / "filling"
        self.port = find_free_port()
        shutil.chown(folder, self._user)
        self._run("initdb", "-D", self._data, "-U", "test", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://test@127.0.0.1:{self.port}/postgres"

    @property
    def socket_url(self) -> str:
        return f"postgresql+psycopg://test@/postgres?host={self._folder}&port={self.port}"

    def start(self) -> None:
        options = f"-c listen_addresses=127.0.0.1 -p {self.port} -c unix_socket_directories={self._folder} -c fsync=off"
        self._run("pg_ctl", "-D", self._data, "-o", options, "-l", self._folder / "log", "-w", "start")

    def stop(self) -> None:
        """At once; it does not matter whether it runs."""
        with suppress(subprocess.CalledProcessError):
            self._run("pg_ctl", "-D", self._data, "-m", "immediate", "-w", "stop")

    def freeze(self) -> None:
        """Connections stay open and are even accepted, nothing answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def fill_disk(self) -> None:
        """Nothing more can be written. Only where the cluster has a disk of its own."""
        with suppress(OSError), self._filling.open("wb") as file:
            while True:
                file.write(bytes(_BLOCK))

    def free_disk(self) -> None:
        """PostgreSQL may have ended itself, so it is started again."""
        self._filling.unlink()
        self.stop()
        self.start()

    def upgrade(self) -> None:
        engine = build_engine(self.url)
        schema.upgrade(engine)
        engine.dispose()

    @contextmanager
    def connect(self) -> Iterator[sa.Connection]:
        """A connection that has no limits, and commits each statement."""
        engine = sa.create_engine(self.url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            yield connection
        engine.dispose()

    def find_main(self) -> int:
        """The process that made all others."""
        return int((self._data / "postmaster.pid").read_text().splitlines()[0])

    def _signal(self, number: int) -> None:
        main = self.find_main()
        os.kill(main, number)
        for _ in range(2):  # one may have been forked just now
            for child in list_children(main):
                with suppress(ProcessLookupError):
                    os.kill(child, number)

    def _run(self, program: str, *arguments: object) -> None:
        path = find_program(program)
        assert path is not None
        command = [path, *map(str, arguments)]
        user = self._user if os.geteuid() == 0 else None
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, user=user, cwd="/", timeout=60)


@contextmanager
def run_cluster(*, disk: str = "") -> Iterator[Cluster]:
    """Start one.

    :param disk: the size of a disk of its own, such as ``300m``, which is in memory and which root alone can make.
    """
    folder = Path(tempfile.mkdtemp(prefix="pg"))  # short: a socket's path has at most 107 bytes
    try:
        if disk:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={disk}", "tmpfs", folder], check=True)
        cluster = Cluster(folder)
        cluster.start()
        try:
            yield cluster
        finally:
            with suppress(FileNotFoundError):
                cluster.thaw()
            cluster.stop()
    finally:
        if disk:
            subprocess.run(["umount", folder], check=False)
        shutil.rmtree(folder, ignore_errors=True)


def list_children(parent: int) -> list[int]:
    """The processes that a process has made and not waited for, the oldest first."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[1]) == parent:
                    found.append(int(entry.name))
    return sorted(found)
