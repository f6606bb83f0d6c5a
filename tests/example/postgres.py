"""A PostgreSQL of the tests' own: a cluster in a temporary folder, on a socket in it, owned by an unprivileged user."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.services import find_program


@contextmanager
def run_postgresql() -> Iterator[str]:
    """The SQLAlchemy URL of an empty database. PostgreSQL refuses to run as root, hence the other user."""
    folder = Path(tempfile.mkdtemp(prefix="pg"))  # short: a socket's path has at most 107 bytes
    user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    data = folder / "data"
    try:
        shutil.chown(folder, user)
        _run(user, "initdb", "-D", data, "-U", "test", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        options = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off"
        _run(user, "pg_ctl", "-D", data, "-o", options, "-l", folder / "log", "-w", "start")
        try:
            yield f"postgresql+psycopg://test@/postgres?host={folder}"
        finally:
            _run(user, "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(user: str, program: str, *arguments: object) -> None:
    path = find_program(program)
    assert path is not None
    who = user if os.geteuid() == 0 else None
    subprocess.run([path, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL, user=who, cwd="/", timeout=60)
