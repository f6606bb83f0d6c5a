"""``oauthguard server user``."""

from __future__ import annotations

import click

from ...server.users import get_users
from ..output import FORMAT, format_time
from ..parameters import PRINTABLE, ini_argument, pass_run
from ..run import Run
from .application import open_application

__all__ = ["user"]


@click.group()
def user() -> None:
    """What users allowed. SUBJECT is the sub of a user."""


@user.command()
@ini_argument
@click.argument("subject", type=PRINTABLE)
@FORMAT
@pass_run
def grants(run: Run, ini: str, subject: str, style: str) -> None:
    """List the live grants of SUBJECT, the newest first."""
    with open_application(ini) as registry:
        found = get_users(registry).list_grants(subject)
    rows = [
        {
            "grant_id": each.grant_id,
            "client": each.client_id,
            "scopes": list(each.scopes),
            "made": format_time(each.created_at),
        }
        for each in found
    ]
    run.console.write_rows(rows, style)


@user.command()
@ini_argument
@click.argument("subject", type=PRINTABLE)
@pass_run
def end(run: Run, ini: str, subject: str) -> None:
    """End all grants of SUBJECT with all their tokens. Each client has to ask again."""
    with open_application(ini) as registry:
        ended = get_users(registry).end_all(subject)
    run.console.say(f"ended {ended} grants")


@user.command()
@ini_argument
@click.argument("subject", type=PRINTABLE)
@pass_run
def forget(run: Run, ini: str, subject: str) -> None:
    """End all grants of SUBJECT and delete what is stored of them. The audit trail keeps the sub."""
    with open_application(ini) as registry:
        get_users(registry).forget(subject)
    run.console.say("forgotten")
