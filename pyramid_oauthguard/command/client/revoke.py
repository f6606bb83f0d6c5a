"""``oauthguard revoke``."""

from __future__ import annotations

from dataclasses import replace

import click

from ...client.errors import CommandError
from ...client.recipients import Credential
from ...client.tokens import Tokens
from ...exit_status import USAGE
from ..parameters import client_options, pass_run, token_input
from ..run import Run


@click.command()
@token_input
@click.option("--hint", type=click.Choice(["access_token", "refresh_token"]), help="What kind of token it is.")
@client_options
@pass_run
def revoke(run: Run, source: str | None, path: str | None, hint: str | None) -> None:
    """Revoke a token (RFC 7009): the given one, otherwise the login's.

    A server gives the same answer for an unknown token. Success means that the token is not valid now, not that it was valid
    before.

    \b
      oauthguard token | oauthguard revoke -
      oauthguard revoke --hint refresh_token
    """
    token = run.load_token(source or path)
    if token is None:
        _revoke_login(run, hint or "access_token")
    else:
        run.session.revoke(token, hint=hint)
    run.console.say("Revoked.")


def _revoke_login(run: Run, hint: str) -> None:
    profile = run.require_login()
    with run.store.lock(profile.name):
        tokens = run.store.load(profile)
        token = _choose(tokens, hint) if tokens else None
        if tokens is None or token is None:
            raise CommandError(USAGE, f"profile {profile.name} has no {hint.replace('_', ' ')}", "nothing was revoked")
        run.session.revoke(token, hint=hint)
        # A revoked access token counts as expired from here on: the next verb refreshes.
        kept = replace(tokens, expires_at=0.0) if hint == "access_token" else replace(tokens, refresh_token=None)
        run.store.save(profile, kept, prefer=profile.store)


def _choose(tokens: Tokens, hint: str) -> Credential | None:
    return tokens.access_credential if hint == "access_token" else tokens.refresh_credential
