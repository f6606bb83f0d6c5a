"""``oauthguard logout``."""

from __future__ import annotations

import click

from ...client.errors import CommandError
from ...client.storage.profiles import Profile
from ...client.tokens import Tokens
from ..parameters import client_options, pass_run
from ..run import Run


@click.command()
@click.option(
    "--forget", is_flag=True, help="Forget the tokens without revoking them: they stay valid until they expire."
)
@client_options
@pass_run
def logout(run: Run, forget: bool) -> None:
    """Revoke the tokens of the login at the server, then forget them.

    If the server does not revoke them, they are not forgotten: a token that was forgotten can't be revoked.
    """
    profile = run.require_login()
    with run.store.lock(profile.name):
        if not forget:
            tokens = run.store.load(profile)
            if tokens is not None:
                _revoke(run, profile, tokens)
        run.store.forget(profile)
    run.console.say(
        f"Signed out of profile {profile.name}."
        if not forget
        else f"Forgot profile {profile.name}; nothing was revoked."
    )


def _revoke(run: Run, profile: Profile, tokens: Tokens) -> None:
    """The refresh token first, so that no new access token can be obtained meanwhile."""
    session = run.session
    if not session.offers("revocation_endpoint"):
        run.console.say(f"{profile.issuer} offers no revocation: the tokens stay valid until they expire.")
        return
    try:
        if refresh_token := tokens.refresh_credential:
            session.revoke(refresh_token, hint="refresh_token")
        session.revoke(tokens.access_credential, hint="access_token")
    except CommandError as error:
        advice = "nothing was forgotten; try again, or use --forget to forget without the server"
        raise CommandError(error.exit_status, error.text, advice) from error
