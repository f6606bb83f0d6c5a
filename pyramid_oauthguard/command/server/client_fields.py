"""The options of ``oauthguard server client create`` and ``edit`` that say what a client is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import click

from ...server.clients.registry import RegistrationError
from ...settings import as_duration
from ..parameters import PRINTABLE

__all__ = ["FIELD_OPTIONS", "read_fields"]

_LIVES: Final = ("access_token_ttl", "refresh_token_ttl", "refresh_token_max_age")
_PKCE: Final = {"required": True, "optional": False, "setting": None}
_OPTIONS: Final = (
    click.option(
        "--grant", "grants", multiple=True, help="client_credentials, authorization_code, refresh_token, device_code."
    ),
    click.option("--scope", "scopes", multiple=True, help="A scope that it may request."),
    click.option("--redirect-uri", "redirect_uris", multiple=True, help="Compared as an exact string."),
    click.option("--audience", "audiences", multiple=True, help="An API that its tokens may be for."),
    click.option("--pkce", type=click.Choice(list(_PKCE)), help="Whether it must use PKCE."),
    click.option(
        "--first-party/--third-party", default=None, help="Users are not asked, or are asked, whether they allow it."
    ),
    click.option("--loopback-localhost/--no-loopback-localhost", default=None, help="Any port of http://localhost."),
    click.option("--access-token-ttl", help="How long its access tokens live: 5m, 1h."),
    click.option("--refresh-token-ttl", help="How long its refresh tokens live without being used."),
    click.option("--refresh-token-max-age", help="How long its refresh tokens live however often they are used."),
    click.option("--owner", type=PRINTABLE, help="Who operates it, for the consent page."),
    click.option("--home-page", help="An https URL, for the consent page."),
    click.option("--policy", help="The https URL of its privacy policy, for the consent page."),
    click.option("--jwks-uri", help="The URL of its public keys, for one that signs (private_key_jwt)."),
    click.option(
        "--assertion-subject",
        "assertion_subjects",
        multiple=True,
        help="A user that it may assert with its own keys (RFC 7523); one * stands for any text.",
    ),
)


def FIELD_OPTIONS(command: Callable[..., Any]) -> Callable[..., Any]:  # noqa: N802  # used as a decorator, as click's options
    """Add the options to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def read_fields(options: dict[str, Any]) -> dict[str, Any]:
    """The fields of a client that the options give.

    :raises RegistrationError: a lifetime is not a duration.
    """
    fields = {name: value for name, value in options.items() if value not in (None, ()) and name != "pkce"}
    if options["pkce"] is not None:
        fields["require_pkce"] = _PKCE[options["pkce"]]
    for name in _LIVES:
        if name in fields:
            fields[name] = _as_life(name, fields[name])
    return fields


def _as_life(name: str, text: str) -> float:
    try:
        return as_duration(text)
    except ValueError as error:
        raise RegistrationError(name, str(error)) from None
