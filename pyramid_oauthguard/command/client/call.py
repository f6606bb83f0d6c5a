"""``oauthguard call``."""

from __future__ import annotations

from difflib import get_close_matches

import click

from ...client.errors import CommandError
from ...client.text import shorten
from ...exit_status import INACTIVE, OK, REFUSED, USAGE
from ..completing import METHODS, complete_files, complete_methods
from ..holder import fetch_tokens
from ..parameters import client_options, pass_run
from ..request import Reply, explain_challenge, is_unreadable, send
from ..run import Run


@click.command()
@click.argument("method", shell_complete=complete_methods)
@click.argument("url")
@click.option(
    "-d",
    "--data",
    metavar="TEXT",
    help="The body; @FILE reads a file, @- standard input. JSON unless a header says otherwise.",
)
@click.option("-H", "--header", "headers", multiple=True, metavar="NAME: VALUE", help="One more header.")
@click.option("-i", "--include", is_flag=True, help="Print status and headers before the body.")
@click.option(
    "--token-file",
    "path",
    metavar="FILE",
    shell_complete=complete_files,
    help="File with the token, - for standard input. Without it: OAUTHGUARD_TOKEN, then the login's.",
)
@client_options
@pass_run
def call(
    run: Run, method: str, url: str, data: str | None, headers: tuple[str, ...], include: bool, path: str | None
) -> int:
    """Send a request with the token to URL and print the answer's body.

    Redirects are not followed, since the token is for URL only. Exit status 5 if the API refuses the token (401, 403), 2 for
    any other 4xx or 5xx.

    \b
      oauthguard call GET http://localhost:6543/customers
      oauthguard call POST http://localhost:6543/customers -d '{"name": "Ann"}'
    """
    body = _read_data(data)
    given = run.load_token(path)
    token = given.text if given else fetch_tokens(run).access_token
    run.console.protect(token)
    reply = send(run, method.upper(), url, token=token, headers=_parse_headers(headers), body=body)
    _write(run, reply, include=include)
    if reply.status in (401, 403):
        run.console.show(explain_challenge(reply))
        return INACTIVE
    if is_unreadable(reply):
        run.console.show(explain_challenge(reply))
    if 300 <= reply.status < 400:
        run.console.show(f"Redirected to {reply.find('location') or 'nowhere'}; the token was not sent there.")
    if reply.status in (405, 501):
        run.console.show(_explain_method(method.upper(), reply))
    return REFUSED if reply.status >= 400 else OK


def _explain_method(method: str, reply: Reply) -> str:
    """Why the API does not serve the method (RFC 9110, 15.5.6 and 15.6.2): ``Allow`` names those that it does serve."""
    allowed = reply.find("allow")
    near = [] if method in METHODS else get_close_matches(method, METHODS, 1)
    told = f" It allows: {shorten(allowed)}." if allowed else ""
    return f"The API does not serve {method} there.{told}" + (f" Did you mean {near[0]}?" if near else "")


def _write(run: Run, reply: Reply, *, include: bool) -> None:
    if include:
        for line in (f"HTTP {reply.status} {reply.reason}", *(f"{name}: {value}" for name, value in reply.headers), ""):
            run.console.write_line(line)
    else:
        run.console.say(f"{reply.status} {reply.reason}")
    run.console.write_body(reply.body, reply.find("content-type") or "")


def _read_data(data: str | None) -> bytes | None:
    if data is None or not data.startswith("@"):
        return None if data is None else data.encode("utf-8", "surrogateescape")  # the bytes that were typed
    try:
        with click.open_file(data[1:], "rb") as file:
            return bytes(file.read())
    except OSError as error:
        raise CommandError(USAGE, f"{data[1:]} can't be read: {error.strerror}") from error


def _parse_headers(headers: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for each in headers:
        name, colon, value = each.partition(":")
        if not colon or not name.strip() or any(ord(char) < 32 or ord(char) > 255 for char in each):
            raise CommandError(USAGE, "--header must be NAME: VALUE")
        if name.strip().lower() == "authorization":
            raise CommandError(
                USAGE, "the Authorization header is for the token", "use --token-file or OAUTHGUARD_TOKEN"
            )
        found[name.strip()] = value.strip()
    return found
