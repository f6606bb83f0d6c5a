"""``oauthguard token``."""

from __future__ import annotations

import re
import shlex
import time

import click

from ...client.errors import CommandError
from ...client.tokens import Tokens
from ...exit_status import USAGE
from ..holder import fetch_asserted_tokens, fetch_client_tokens, fetch_tokens
from ..parameters import client_options, pass_run
from ..run import Run


@click.command()
@click.option(
    "--format",
    "form",
    type=click.Choice(["raw", "header", "json", "env"]),
    default="raw",
    show_default=True,
    help="The token alone, an Authorization header, the answer of the server, or a line for eval.",
)
@click.option("--client-credentials", "own", is_flag=True, help="The client's own token, even where a login is stored.")
@click.option(
    "--assertion",
    type=click.Path(dir_okay=False, allow_dash=True),
    help="The token of the user that this JWT of another issuer is about (RFC 7523): a file, or - for standard input.",
)
@click.option("--name", default="OAUTHGUARD_TOKEN", show_default=True, help="The variable of --format env.")
@client_options
@pass_run
def token(run: Run, form: str, own: bool, name: str, assertion: str | None) -> None:
    """Print an access token.

    If the client and the issuer are those of a login: its token, refreshed when it has under a minute left. Otherwise the
    client's own token, by client credentials (RFC 6749 section 4.4).

    \b
      oauthguard token --issuer https://issuer.example --client-id app --scope api
      oauthguard token --format header | curl -H @- https://api.example/
      eval "$(oauthguard token --format env)"
    """
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise CommandError(USAGE, f"{name!r} is not the name of a variable")
    if own and assertion is not None:
        raise CommandError(USAGE, "give either --client-credentials or --assertion: each gives another token")
    if assertion is not None:
        tokens = fetch_asserted_tokens(run, assertion)
    else:
        tokens = fetch_client_tokens(run) if own else fetch_tokens(run)
    if form == "json":
        run.console.write_json(_as_json(tokens))
        return
    raw = tokens.access_token
    lines = {"raw": raw, "header": f"Authorization: Bearer {raw}", "env": f"export {name}={shlex.quote(raw)}"}
    run.console.write(lines[form])


def _as_json(tokens: Tokens) -> dict[str, object]:
    """The answer of RFC 6749 section 5.1, without the refresh token."""
    known: dict[str, object] = {"access_token": tokens.access_token, "token_type": "Bearer"}
    if tokens.expires_at is not None:
        known["expires_in"] = max(0, int(tokens.expires_at - time.time()))
    if tokens.scope is not None:
        known["scope"] = tokens.scope
    return known
