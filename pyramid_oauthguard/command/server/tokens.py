"""``oauthguard server token`` and ``oauthguard server prune``."""

from __future__ import annotations

from typing import TextIO

import click

from ...errors import OAuthGuardError
from ...server.tokens.pruning import KEEP_SECONDS
from ...server.tokens.pruning import prune as prune_rows
from ...server.tokens.revocation import revoke_token
from ...server.tokens.status import find_token
from ...settings import as_duration
from ..parameters import ini_argument, pass_run
from ..run import Run
from .application import open_application, require_service
from .imports import import_tokens

__all__ = ["prune", "token"]


@click.group()
def token() -> None:
    """Tokens that were issued."""


@click.command()
@ini_argument
@click.option(
    "--keep", default=f"{KEEP_SECONDS / 3600:g}h", show_default=True, help="How long ago it must have expired."
)
@pass_run
def prune(run: Run, ini: str, keep: str) -> None:
    """Delete expired tokens and codes. Grants that have none left are deleted too. Run it daily.

    Clients, consents and keys stay; so does the audit trail, but for what is older than the setting audit.retention.
    """
    try:
        seconds = as_duration(keep)
    except ValueError as error:
        raise OAuthGuardError(f"--keep: {error}") from None
    with open_application(ini) as registry:
        service = require_service(registry)
        pruned = prune_rows(service.store, keep=seconds, audit_retention=service.settings.audit_retention)
    run.console.say(f"deleted {pruned} rows")


token.add_command(prune)
token.add_command(import_tokens)


@token.command()
@ini_argument
@click.argument("token", type=click.File("r", errors="replace"), default="-")
@pass_run
def revoke(run: Run, ini: str, token: TextIO) -> None:
    """Revoke a token and its grant. All tokens of the same grant end, for example after one leaked.

    TOKEN is a file, or - for standard input.
    """
    raw = token.read().strip()
    with open_application(ini) as registry:
        service = require_service(registry)
        with service.store.reading() as unit:
            found = find_token(unit, service.pepper, raw, None)
        if found is None:
            raise OAuthGuardError("this is not a token of this server, or it was pruned after it expired")
        revoke_token(service, found)
    run.console.say(f"revoked {found.token_id} of client {found.client_id}")
