"""The findings of ``oauthguard check`` about the example: clients and a user that anyone can read about in the source."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pyramid.config import Configurator

from pyramid_oauthguard.interfaces import Finding, ISelfCheck

from .database import open_session
from .demo import API_SECRET, CLIENTS, USER
from .users import authenticate_user

__all__ = ["check_demo"]

_SECRET: Final = "oauthguard.introspection.client_secret"  # noqa: S105  # the name of a setting


def includeme(config: Configurator) -> None:
    """Add the check, also if the demo is off: what it made before still exists."""
    config.registry.registerUtility(check_demo, ISelfCheck, name="example")


def check_demo(registry: Any) -> Iterator[Finding]:
    """A warning for each demo client, the demo user, and a demo secret in the settings, if they exist."""
    for client in _find_clients(registry):
        fact = "everyone knows its id" if client.public else "its secret is public"
        hint = f"if others can reach this server: oauthguard server client revoke INI {client.client_id}"
        yield _warn(f"the client {client.client_id!r} of the demo exists, and {fact}", hint)
    with open_session(registry) as db:
        if authenticate_user(db, USER, USER) is not None:
            yield _warn(
                f"the user {USER!r} of the demo exists, and its password is public", "remove it, or change the password"
            )
    if registry.settings.get(_SECRET) == API_SECRET:
        yield Finding("warning", _SECRET, "is the public secret of the demo", "give the API a secret of its own")


def _find_clients(registry: Any) -> Iterator[Any]:
    if not any(key.startswith("oauthguard.server.") for key in registry.settings):
        return
    # Not at the top: an API on its own runs without the server's libraries.
    from pyramid_oauthguard.server.clients import get_clients

    for client_id in CLIENTS:
        client = get_clients(registry).find(client_id)
        if client is not None and client.revoked_at is None:
            yield client


def _warn(text: str, hint: str) -> Finding:
    return Finding("warning", "example.demo", text, hint)
