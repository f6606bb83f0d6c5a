"""``oauthguard server key``."""

from __future__ import annotations

import click

from ...server.keys.registry import get_keys
from ..output import FORMAT, format_time
from ..parameters import PRINTABLE, ini_argument, pass_run
from ..run import Run
from .application import open_application

__all__ = ["key"]

_ANY_KID = {"ignore_unknown_options": True}  # earlier releases made some that begin with "-"


@click.group()
def key() -> None:
    """The keys that tokens are signed with. The server replaces them by age; these commands are for other cases.

    All processes of the server follow at once.
    """


@key.command("list")
@ini_argument
@FORMAT
@pass_run
def list_them(run: Run, ini: str, style: str) -> None:
    """List all keys, the oldest first. The states are next, signing, replaced, expired and revoked."""
    with open_application(ini) as registry:
        found = get_keys(registry).list_all()
    rows = [
        {
            "kid": each.record.kid,
            "algorithm": each.record.algorithm,
            "state": each.state,
            "signs from": format_time(each.record.active_from),
            "published until": format_time(each.record.revoked_at or each.record.expires_at),
        }
        for each in found
    ]
    run.console.write_rows(rows, style)


@key.command()
@ini_argument
@click.option(
    "--now",
    "at_once",
    is_flag=True,
    help="It signs now; verifiers that keep the key set may refuse its tokens for a while.",
)
@FORMAT
@pass_run
def rotate(run: Run, ini: str, at_once: bool, style: str) -> None:
    """Make and publish the next key; it signs after `signing.lead`."""
    with open_application(ini) as registry:
        made = get_keys(registry).rotate(at_once=at_once)
    run.console.write_one({"kid": made.kid, "signs from": format_time(made.active_from)}, style)


@key.command(context_settings=_ANY_KID)
@ini_argument
@click.argument("kid", type=PRINTABLE)
@pass_run
def retire(run: Run, ini: str, kid: str) -> None:
    """Stop signing with KID. It stays published until its last token has expired."""
    with open_application(ini) as registry:
        get_keys(registry).retire(kid)
    run.console.say("retired")


@key.command(context_settings=_ANY_KID)
@ini_argument
@click.argument("kid", type=PRINTABLE)
@pass_run
def revoke(run: Run, ini: str, kid: str) -> None:
    """Revoke KID and every token that it signed. Takes effect at once. For a private key that others may know."""
    with open_application(ini) as registry:
        get_keys(registry).revoke(kid)
    run.console.say("revoked")
