"""``oauthguard server key``."""

from __future__ import annotations

import click

from ...server.keys.registry import KeyRegistry, get_keys
from .application import INI, WORD, find_service, open_application
from .output import FORMAT, as_time, say, show_one, show_rows

__all__ = ["key"]

_ANY_KID = {"ignore_unknown_options": True}  # some that were made before begin with "-"


@click.group()
def key() -> None:
    """The keys that tokens are signed with. They are replaced by themselves, by age; this is for when that won't do.

    All processes of the server follow at once.
    """


@key.command("list")
@INI
@FORMAT
def list_them(ini: str, style: str) -> None:
    """List all keys, the oldest first: next, signing, replaced, expired or revoked."""
    with open_application(ini) as registry:
        found = _open(registry).list_all()
    rows = [
        {
            "kid": each.record.kid,
            "algorithm": each.record.algorithm,
            "state": each.state,
            "signs from": as_time(each.record.active_from),
            "published until": as_time(each.record.revoked_at or each.record.expires_at),
        }
        for each in found
    ]
    show_rows(rows, style)


@key.command()
@INI
@click.option(
    "--now",
    "at_once",
    is_flag=True,
    help="It signs now; verifiers that keep the key set may refuse its tokens for a while.",
)
@FORMAT
def rotate(ini: str, at_once: bool, style: str) -> None:
    """Make and publish the next key; it signs after `signing.lead`."""
    with open_application(ini) as registry:
        made = _open(registry).rotate(at_once=at_once)
    show_one({"kid": made.kid, "signs from": as_time(made.active_from)}, style)


@key.command(context_settings=_ANY_KID)
@INI
@click.argument("kid", type=WORD)
def retire(ini: str, kid: str) -> None:
    """Let KID sign no more; it stays published until its last token has expired."""
    with open_application(ini) as registry:
        _open(registry).retire(kid)
    say("retired")


@key.command(context_settings=_ANY_KID)
@INI
@click.argument("kid", type=WORD)
def revoke(ini: str, kid: str) -> None:
    """End KID at once, with every token that it signed: others may know its private half."""
    with open_application(ini) as registry:
        _open(registry).revoke(kid)
    say("revoked")


def _open(registry: object) -> KeyRegistry:
    find_service(registry)
    return get_keys(registry)
