"""``oauthguard introspect``."""

from __future__ import annotations

import click

from ...exit_status import INACTIVE, OK
from ..holder import fetch_tokens
from ..parameters import client_options, pass_run, token_input
from ..run import Run


@click.command()
@token_input
@click.option("--hint", type=click.Choice(["access_token", "refresh_token"]), help="What kind of token it is.")
@client_options
@pass_run
def introspect(run: Run, source: str | None, path: str | None, hint: str | None) -> int:
    """Ask the issuer whether a token is active, and print its answer (RFC 7662).

    The issuer must allow the client to introspect; many issuers allow only resource servers. Exit status 5 if the token is not
    active.

    \b
      oauthguard token | oauthguard introspect -
    """
    token = run.load_token(source or path) or fetch_tokens(run).access_credential
    answer = run.session.introspect(token, hint=hint)
    run.console.write_json(answer)
    return OK if answer["active"] else INACTIVE
