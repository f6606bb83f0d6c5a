"""The revision of the tables of a database, and the upgrade to the newest."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    func,
    insert,
    inspect,
    select,
)

from ....errors import UnavailableError
from .engine import WRITING
from .models import metadata
from .rows import StorageErrors

__all__ = ["HEAD", "VERSION_TABLE", "check_revision", "create_tables", "fetch_revision", "upgrade"]

HEAD: Final = "0013"
VERSION_TABLE: Final = "oauth_alembic_version"  # the application may have an alembic_version of its own
_VERSION: Final = Table(  # as Alembic makes it
    VERSION_TABLE,
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name=f"{VERSION_TABLE}_pkc"),
)
_UPGRADE_LOCK: Final = int.from_bytes(b"oauthgrd", signed=True)  # any number that nothing else uses in the database
_SCRIPTS: Final = Path(__file__).parent / "migrations"


def fetch_revision(connection: Connection) -> str | None:
    """The revision of the tables, or None if there are none of ours yet."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found: str | None = connection.scalar(select(_VERSION.c.version_num))
    return found


def check_revision(connection: Connection) -> None:
    """:raises UnavailableError: the tables are missing (``no_tables``), of an earlier revision than this release works
    with (``other_tables``), or of a later one (``newer_tables``)."""
    found = fetch_revision(connection)
    if found is None:
        raise UnavailableError("no_tables", "the database has no tables of ours yet", lasting=True)
    if found == HEAD:
        return
    if found.isdecimal() and int(found) > int(HEAD):
        text = f"the tables are of revision {found}, of a newer release than this one, which works with {HEAD}"
        raise UnavailableError("newer_tables", text, lasting=True)
    text = f"the tables are of revision {found}, and {HEAD} is wanted"
    raise UnavailableError("other_tables", text, lasting=True)


def create_tables(connection: Connection) -> None:
    """Make the tables of the newest revision in a database that has none; without Alembic, which takes long to import."""
    if fetch_revision(connection) is not None:
        return
    _check_names(connection)
    metadata.create_all(connection)
    _VERSION.create(connection)
    connection.execute(insert(_VERSION).values(version_num=HEAD))


def upgrade(engine: Engine) -> tuple[str | None, str]:
    """Bring the tables to the newest revision, in one transaction where the database has such for tables.

    Of several that run at once, one does it, and the others wait for it: with SQLite for the lock of the file, with PostgreSQL
    for a lock that has nothing to do with tables.

    :return: the revision before and after.
    :raises UnavailableError: the database can't be reached, or refuses.
    """
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    with StorageErrors(), engine.execution_options(**{WRITING: True}).begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(select(func.pg_advisory_xact_lock(_UPGRADE_LOCK)))
        before = fetch_revision(connection)
        if before is None:
            _check_names(connection)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        return before, fetch_revision(connection) or HEAD


def _check_names(connection: Connection) -> None:
    """:raises UnavailableError: a database without our tables has tables of another program under the same names."""
    taken = sorted(metadata.tables.keys() & set(inspect(connection).get_table_names()))
    if taken:
        text = f"the database has tables of another program: {', '.join(taken)}"
        raise UnavailableError("foreign_tables", text, lasting=True)
