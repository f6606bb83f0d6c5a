"""The options of ``check --as-client``, and what the steps begin with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from ...client.errors import CommandError
from ...client.web.requests import Web
from ...exit_status import USAGE
from ...urls import as_origin
from ..run import Run
from .visit import Visit

__all__ = ["build_visit", "client_check_options", "refuse_client_options"]

F = TypeVar("F", bound=Callable[..., Any])

_FLAGS: Final = (
    ("--client-id", "ID", "With --as-client: a public client that is registered with http://127.0.0.1/callback."),
    ("--scope", "SCOPES", "With --as-client: what to ask for, instead of what the API names."),
    ("--origin", "URL", "With --as-client: the origin of a page whose requests are tried. [http://localhost:6274]"),
    ("--ca-file", "FILE", "With --as-client: PEM file of accepted certificate authorities."),
)
_INSPECTOR: Final = "http://localhost:6274"


def client_check_options(function: F) -> F:
    """What only matters with ``--as-client``; the values are kept on the Run."""
    for flag, metavar, text in reversed(_FLAGS):
        function = click.option(flag, metavar=metavar, expose_value=False, callback=_keep, help=text)(function)
    text = "With --as-client: register a client for the check, and remove it afterwards."
    return click.option("--register", is_flag=True, expose_value=False, callback=_keep, help=text)(function)


def _keep(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    if value and param.name:
        ctx.ensure_object(Run).flags[param.name] = str(value)


def refuse_client_options(run: Run) -> None:
    """Without ``--as-client`` these options mean nothing. :raises click.UsageError: one of them is given."""
    for flag in ("--register", *(row[0] for row in _FLAGS)):
        if flag.removeprefix("--").replace("-", "_") in run.flags:
            raise click.UsageError(f"{flag} is an option of --as-client")


def build_visit(run: Run, url: str) -> Visit:
    """What the steps begin with: flags only. :raises CommandError: a URL can't be used."""
    flags = run.flags
    try:
        origin = str(as_origin(flags.get("origin", _INSPECTOR)))
        web = Web(url, run.build_tls())
    except ValueError as error:
        raise CommandError(USAGE, f"the URL {error}") from error
    return Visit(
        web,
        url,
        origin,
        scope=flags.get("scope"),
        client_id=flags.get("client_id"),
        registers="register" in flags,
    )
