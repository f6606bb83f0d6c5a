"""The databases that the store is tested on: a fresh SQLite file, and a fresh database of a PostgreSQL of our own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from pyramid_oauthguard.server.opaque import make_id
from tests.example.postgres import run_postgresql

EACH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.needs("initdb", "pg_ctl"))]


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a PostgreSQL that lives as long as the run; the test says `needs("initdb", "pg_ctl")`."""
    with run_postgresql() as url:
        yield url


@pytest.fixture(params=EACH)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/database.sqlite"
    return make_database(request.getfixturevalue("postgresql"))


def make_database(server: str) -> str:
    name = "db_" + make_id().lower().replace("-", "_")
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f'CREATE DATABASE "{name}"')
    engine.dispose()
    return make_url(server).set(database=name).render_as_string(hide_password=False)
