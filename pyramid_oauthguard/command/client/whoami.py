"""``oauthguard whoami``."""

from __future__ import annotations

import click

from ...client.errors import CommandError
from ...client.identity import fetch_identity, find_name
from ...exit_status import INACTIVE, REFUSED
from ..holder import fetch_login_tokens
from ..parameters import client_options, pass_run
from ..run import Run


@click.command()
@click.option("--format", "form", type=click.Choice(["raw", "json"]), default="raw", show_default=True)
@client_options
@pass_run
def whoami(run: Run, form: str) -> None:
    """Print the name of the user who is signed in.

    The name comes from introspection if the client may introspect, otherwise from userinfo, otherwise from the token. Exit status 5 if
    the issuer calls the token inactive.
    """
    profile = run.require_login()
    tokens = fetch_login_tokens(run, profile)
    found = fetch_identity(run.session, tokens, may_introspect=True)
    if found.get("active") is False:
        raise CommandError(
            INACTIVE, f"the token of profile {profile.name} was revoked or has expired", "oauthguard login"
        )
    name = find_name(found)
    if name is None:
        raise CommandError(REFUSED, f"{profile.issuer} does not name the user")
    if form == "json":
        run.console.write_json(
            {"name": name, "profile": profile.name, "issuer": profile.issuer, "client_id": profile.client_id}
        )
        return
    run.console.write_line(name)
