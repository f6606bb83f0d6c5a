"""``oauthguard server audit``."""

from __future__ import annotations

import json
import time

import click

from ...errors import OAuthGuardError
from ...settings import as_duration
from .application import INI, WORD, find_service, open_application
from .output import FORMAT, as_time, show_rows

__all__ = ["audit"]


@click.command()
@INI
@click.option("--since", help="How long ago at the most: 30m, 12h, 7d.")
@click.option("--event", type=WORD, help="TokenIssued, TokenRevoked, ClientCreated …")
@click.option("--client", "client_id", type=WORD, help="Of this client.")
@click.option("--subject", type=WORD, help="Of this user.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True)
@FORMAT
def audit(
    ini: str, since: str | None, event: str | None, client_id: str | None, subject: str | None, limit: int, style: str
) -> None:
    """What happened, the newest first: clients, keys, consent, tokens."""
    try:
        oldest = None if since is None else time.time() - as_duration(since)
    except ValueError as error:
        raise OAuthGuardError(f"--since: {error}") from None
    with open_application(ini) as registry, find_service(registry).store.reading() as unit:
        found = unit.list_audit(limit=limit, since=oldest, event=event, client_id=client_id, subject=subject)
    rows = [
        {
            "at": as_time(each.at),
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
    show_rows(rows, style)
