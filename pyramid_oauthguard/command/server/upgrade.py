"""``oauthguard server upgrade``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from ...errors import SettingError
from ...server.settings import PREFIX, TABLE
from ...server.time_limits import TimeLimits
from ...settings import parse
from ..application_file import load_settings
from ..parameters import ini_argument, pass_run
from ..run import Run
from .application import explain_storage

__all__ = ["upgrade"]

_PATIENCE_SECONDS = 600.0


@click.command()
@ini_argument
@pass_run
def upgrade(run: Run, ini: str) -> None:
    """Upgrade the tables of the authorization server to this release.

    The application is not started. Stop it first, and back up the database. If several upgrades run at once, one of them
    does the work.
    """
    from alembic.util import CommandError

    from ...server.store.sqlalchemy import schema
    from ...server.store.sqlalchemy.engine import build_engine

    url = _read_url(load_settings(ini))
    try:
        # Another upgrade may be running, and a migration may take long.
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
    run.console.say(
        f"the tables have revision {after}" + ("" if before == after else f"; before, they had {before or 'none'}")
    )


def _read_url(settings: Mapping[str, Any]) -> str:
    """The one setting that is needed. Errors in other settings do not matter here."""
    row = next(each for each in TABLE if each.name == "sqlalchemy.url")
    given = {name: value for name, value in settings.items() if name.startswith(f"{PREFIX}.sqlalchemy.")}
    found: _Url = parse((row,), given, PREFIX, into=_Url)
    return found.sqlalchemy_url


class _Url:
    def __init__(self, sqlalchemy_url: str) -> None:
        self.sqlalchemy_url = sqlalchemy_url
