"""``oauthguard server audit``."""

from __future__ import annotations

import json
import time

import click

from ...errors import OAuthGuardError
from ...settings import as_duration
from ..output import FORMAT, format_time
from ..parameters import PRINTABLE, ini_argument, pass_run
from ..run import Run
from .application import open_application, require_service

__all__ = ["audit"]


@click.command()
@ini_argument
@click.option("--since", help="How old the listed events may be: 30m, 12h, 7d.")
@click.option("--event", type=PRINTABLE, help="TokenIssued, TokenRevoked, ClientCreated …")
@click.option("--client", "client_id", type=PRINTABLE, help="Of this client.")
@click.option("--subject", type=PRINTABLE, help="Of this user.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True)
@FORMAT
@pass_run
def audit(
    run: Run,
    ini: str,
    since: str | None,
    event: str | None,
    client_id: str | None,
    subject: str | None,
    limit: int,
    style: str,
) -> None:
    """List the audit trail, the newest entry first. It has events of clients, keys, consents and tokens."""
    try:
        oldest = None if since is None else time.time() - as_duration(since)
    except ValueError as error:
        raise OAuthGuardError(f"--since: {error}") from None
    with open_application(ini) as registry, require_service(registry).store.reading() as unit:
        found = unit.list_audit(limit=limit, since=oldest, event=event, client_id=client_id, subject=subject)
    rows = [
        {
            "at": format_time(each.at),
            "event": each.event,
            "client": each.client_id,
            "subject": each.subject,
            "token": each.token_id,
            "grant": each.grant_id,
            "address": each.address,
            "request": each.request_id,
            "detail": (json.loads(each.detail) if style == "json" else each.detail) if each.detail else None,
        }
        for each in found
    ]
    run.console.write_rows(rows, style)
