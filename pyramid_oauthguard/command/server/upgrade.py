"""``oauthguard server upgrade``."""

from __future__ import annotations

import click
from pyramid.paster import get_appsettings, setup_logging

from ...errors import SettingError
from ...server.settings import PREFIX, TABLE
from ...server.time_limits import TimeLimits
from ...settings import parse
from .application import INI, explain_ini, explain_storage
from .output import say

__all__ = ["upgrade"]

_PATIENCE_SECONDS = 600.0


@click.command()
@INI
def upgrade(ini: str) -> None:
    """Bring the tables of the authorization server to what this release works with.

    The application isn't started; stop it first, and back up the database. Of several that run at once, one does it.
    """
    from alembic.util import CommandError

    from ...server.store.sqlalchemy import schema
    from ...server.store.sqlalchemy.engine import build_engine

    with explain_ini(ini):
        setup_logging(ini)
        url = _read_url(ini)
    try:
        # Another one that runs may take its time, and so may a migration.
        engine = build_engine(url, TimeLimits(statement=0, lock=_PATIENCE_SECONDS))
    except (ValueError, OSError) as error:
        raise SettingError(f"{PREFIX}.sqlalchemy.url", str(error)) from None
    try:
        with explain_storage():
            before, after = schema.upgrade(engine)
    except CommandError:
        problem = "has tables of a revision that this release does not know"
        raise SettingError(f"{PREFIX}.sqlalchemy.url", problem, "use the release that made them") from None
    finally:
        engine.dispose()
    say(f"the tables are of revision {after}" + ("" if before == after else f"; they were of {before or 'none'}"))


def _read_url(ini: str) -> str:
    """The one setting that is needed, so that another one that is wrong does not stand in the way."""
    row = next(each for each in TABLE if each.name == "sqlalchemy.url")
    given = {name: value for name, value in get_appsettings(ini).items() if name.startswith(f"{PREFIX}.sqlalchemy.")}
    found: _Url = parse((row,), given, PREFIX, into=_Url)
    return found.sqlalchemy_url


class _Url:
    def __init__(self, sqlalchemy_url: str) -> None:
        self.sqlalchemy_url = sqlalchemy_url
