"""``oauthguard inspect``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

import click

from ...client.errors import as_command_error
from ...client.inspection import FAIL, SKIP, Check, Jwt, Wanted, inspect_claims, inspect_signature, read_jwt
from ...client.text import clean
from ...errors import UnavailableError
from ...exit_status import INACTIVE, OK
from ..holder import fetch_tokens
from ..output import Console, format_moment
from ..parameters import client_options, pass_run, token_input
from ..run import Run

_WIDEST_NAME: Final = 30
#: Claims whose number is a time (RFC 7519 section 4.1).
_MOMENTS: Final = frozenset({"exp", "nbf", "iat", "auth_time"})


@click.command()
@token_input
@click.option("--offline", is_flag=True, help="Decode only: do not ask the issuer for its keys.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), help="A table on a terminal, JSON in a pipe.")
@client_options
@pass_run
def inspect(run: Run, source: str | None, path: str | None, offline: bool, form: str | None) -> int:
    """Decode a JWT and check it: signature, alg, typ, iss, aud, exp, scope.

    Compares with --issuer, --audience and --scope if they are given. Exit status 5 if a check fails. An API may be stricter;
    `oauthguard explain` uses the configuration of the API.

    \b
      oauthguard token | oauthguard inspect -
    """
    given = run.load_token(source or path)
    jwt = read_jwt(given.text if given else fetch_tokens(run).access_token)
    options = run.options
    # Audience and scope of a login are not compared: the token may come from somewhere else.
    wanted = Wanted(issuer=options.issuer, audience=run.flags.get("audience"), scope=run.flags.get("scope"))
    signature = Check("signature", SKIP, "not checked offline") if offline else _inspect_signature(run, jwt)
    checks = [signature, *inspect_claims(jwt, wanted)]
    if form == "json" or (form is None and not run.console.is_terminal):
        run.console.write_json(
            {"header": jwt.header, "claims": jwt.claims, "checks": [asdict(each) for each in checks]}
        )
    else:
        _write_table(run.console, jwt, checks)
    return INACTIVE if any(check.outcome == FAIL for check in checks) else OK


def _inspect_signature(run: Run, jwt: Jwt) -> Check:
    if run.options.issuer is None:
        return Check(
            "signature", SKIP, "not checked: the issuer is not known; use --issuer"
        )  # an issuer that only the token names is not trusted
    try:
        jwks_uri = run.metadata.find_endpoint("jwks_uri")
        if jwks_uri is None:
            return Check("signature", FAIL, "the issuer publishes no keys")
        answer = run.fetcher.get(jwks_uri)
    except UnavailableError as error:
        raise as_command_error(error) from error
    return inspect_signature(jwt, answer.body.get("keys"))


def _write_table(console: Console, jwt: Jwt, checks: list[Check]) -> None:
    from rich.table import Table
    from rich.text import Text

    rich = console.build_rich()
    styles = {"pass": "green", "fail": "bold red", "skip": "dim"}
    table = Table(title="Checks", title_justify="left", box=None, show_header=False)
    for _column in ("outcome", "check", "found"):
        table.add_column(overflow="fold")  # a value is wrapped and never cut
    for check in checks:
        table.add_row(Text(check.outcome, styles[check.outcome]), check.name, Text(clean(check.text)))
    for title, members in (("Header", jwt.header), ("Claims", jwt.claims)):
        rich.print(_build_members(title, members))
    rich.print(table)


def _build_members(title: str, members: Any) -> Any:
    import json

    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", box=None, show_header=False)
    table.add_column(overflow="fold", max_width=_WIDEST_NAME)
    table.add_column(overflow="fold")
    for name, value in members.items():
        shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        if name in _MOMENTS and isinstance(value, int | float) and not isinstance(value, bool):
            shown = f"{shown}  {format_moment(value)}"
        table.add_row(Text(clean(name)), Text(clean(shown)))
    return table
