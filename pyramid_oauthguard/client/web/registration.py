"""Registering a client that is not registered at a server yet (RFC 7591), and removing it again (RFC 7592)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ...errors import UnavailableError
from ...exit_status import REFUSED, USAGE
from ..errors import CommandError, RefusedError, as_command_error
from ..issued_secret import SECRET_METHODS
from ..text import shorten
from .requests import Web

__all__ = ["NAME", "Registration", "build_metadata", "choose_auth_method", "read_registration", "register", "remove"]

#: What users read on the consent page.
NAME: Final = "oauthguard, the command"
_JSON: Final = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Registration:
    """A client that a server has just registered.

    :ivar uri: where it can be removed, or None.
    :ivar token: what allows that.
    :ivar document: the whole answer, which may contain a secret.
    """

    client_id: str
    uri: str | None = None
    token: str | None = field(default=None, repr=False)
    document: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def auth_method(self) -> str | None:
        """How the client authenticates at the token endpoint; None if the answer does not say it."""
        method = self.document.get("token_endpoint_auth_method")
        return method if isinstance(method, str) else None


def register(web: Web, endpoint: str, metadata: Mapping[str, Any]) -> Registration:
    """A new client. :raises CommandError: the server refuses, or can't be asked."""
    try:
        reply = web.send("POST", endpoint, headers=_JSON, body=json.dumps(metadata).encode())
    except UnavailableError as error:
        raise as_command_error(error) from error
    document = reply.find_object() or {}
    found = read_registration(document) if reply.status in (200, 201) else None
    if found is not None:
        return found
    code = document.get("error")
    if isinstance(code, str):
        words = f"{shorten(code)}: {shorten(document.get('error_description', ''))}"
        raise RefusedError(
            code, f"{endpoint} answered {reply.status} {words}", "name a registered client with --client-id"
        )
    if reply.status in (401, 403):
        text, advice = (
            f"{endpoint} answered {reply.status}",
            "clients register there with a token only: use --client-id",
        )
        raise CommandError(REFUSED, text, advice)
    raise CommandError(USAGE, f"{endpoint} answered {reply.status} without a client", "name one with --client-id")


def choose_auth_method(server: Mapping[str, Any]) -> str:
    """The authentication method to register with at a server with these metadata: without a secret, if the server allows it."""
    offered = server.get("token_endpoint_auth_methods_supported")
    if not isinstance(offered, list) or "none" in offered:
        return "none"
    return next((method for method in SECRET_METHODS if method in offered), "none")


def build_metadata(redirect_uri: str, scope: str | None, *, auth_method: str = "none") -> dict[str, Any]:
    """What a program on a user's machine says about itself (RFC 7591 section 2, RFC 8252)."""
    found = {
        "client_name": NAME,
        "application_type": "native",
        "redirect_uris": [redirect_uri],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": auth_method,
        "scope": scope,
    }
    return {name: value for name, value in found.items() if value is not None}


def read_registration(document: Mapping[str, Any]) -> Registration | None:
    """The client in an answer, or None."""
    values = (document.get(name) for name in ("client_id", "registration_client_uri", "registration_access_token"))
    client_id, uri, token = (value if isinstance(value, str) and value else None for value in values)
    return None if client_id is None else Registration(client_id, uri, token, document)


def remove(web: Web, registration: Registration) -> bool:
    """Delete a client; whether it is gone. :raises UnavailableError: the server can't be asked."""
    if registration.uri is None or registration.token is None:
        return False
    bearer = {"Authorization": f"Bearer {registration.token}"}
    return web.send("DELETE", registration.uri, headers=bearer).status in (200, 204)
