"""A backup is restored as the page says, and what was stored before it works again."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from pyramid.exceptions import ConfigurationExecutionError

from pyramid_oauthguard.server.store.sqlalchemy.engine import build_engine
from pyramid_oauthguard.server.store.sqlalchemy.schema import upgrade
from tests.documentation import find_blocks, read_page
from tests.server.conftest import Build, Server, build  # noqa: F401  # a fixture
from tests.server.databases import make_database, postgresql  # noqa: F401  # a fixture
from tests.services import find_program

PAGE = "how-to/deployment/backup"


def find_line(words: str) -> str:
    """The command of the page with these words."""
    (found,) = [line for block in find_blocks(read_page(PAGE), "sh") for line in block.splitlines() if words in line]
    return found


def run(command: str, folder: Path, url: str) -> None:
    """Run a command of the page on a database."""
    program = find_program(command.split(maxsplit=1)[0])
    assert program is not None
    environ = {**os.environ, "PATH": f"{Path(program).parent}:{os.environ['PATH']}"}
    environ["DATABASE"] = url.replace("postgresql+psycopg:", "postgresql:")
    done = subprocess.run(["sh", "-c", command], cwd=folder, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def check_restored(before: Server, restored: Server, token: str, refresh_token: str) -> None:
    """What was stored works on the other database."""
    restored.program, restored.api = before.program, before.api
    assert restored.introspect(token)["active"]
    assert restored.token(), "the client's secret"
    assert restored.find_refresh_token(refresh_token) is not None
    kids = [{key["kid"] for key in each.app.get("/oauth/jwks").json["keys"]} for each in (before, restored)]
    assert kids[0] == kids[1]


@pytest.mark.slow
@pytest.mark.needs("initdb", "pg_ctl", "pg_dump", "pg_restore")
def test_a_dump_of_postgresql_is_restored(build: Build, postgresql: str, tmp_path: Path) -> None:  # noqa: F811
    first, second = make_database(postgresql), make_database(postgresql)
    engine = build_engine(first)
    upgrade(engine)
    engine.dispose()
    pepper = tmp_path / "secrets" / "pepper"
    before = build({"sqlalchemy.url": first, "pepper_file": str(pepper)})
    token, refresh_token = before.token(), before.user_tokens()[1]
    run(find_line("pg_dump"), tmp_path, first)
    shutil.copy2(pepper, tmp_path / "kept")
    run(find_line("pg_restore"), tmp_path, second)
    restored = build({"sqlalchemy.url": second, "pepper_file": str(tmp_path / "kept")}, clients=False)
    check_restored(before, restored, token, refresh_token)
    engine = sa.create_engine(second)
    with engine.connect() as connection, pytest.raises(sa.exc.DBAPIError, match="append-only"):
        connection.exec_driver_sql("DELETE FROM oauth_audit")
    engine.dispose()
    other = tmp_path / "other"
    other.write_text(os.urandom(32).hex())
    other.chmod(0o600)
    with pytest.raises(ConfigurationExecutionError, match="pepper is not the one"):
        build({"sqlalchemy.url": second, "pepper_file": str(other)}, clients=False)


def test_a_copy_of_sqlite_is_restored(build: Build, tmp_path: Path) -> None:  # noqa: F811
    before = build()
    token, refresh_token = before.token(), before.user_tokens()[1]
    statement = find_line("VACUUM INTO").split('"')[1].replace("backup.sqlite", str(tmp_path / "backup.sqlite"))
    with closing(sqlite3.connect(before.file)) as connection:
        connection.execute(statement)
    pepper = before.file.with_name(f"{before.file.name}.pepper")
    settings = {"sqlalchemy.url": f"sqlite:///{tmp_path}/backup.sqlite", "pepper_file": str(pepper)}
    check_restored(before, build(settings, clients=False), token, refresh_token)
