"""What a client may have of what it asks for: grants, scopes (RFC 6749 section 3.3) and audiences (RFC 8707)."""

from __future__ import annotations

import re

from ..http.errors import InvalidScopeError, OAuth2Error, UnauthorizedClientError
from ..settings import ServerSettings
from ..store.records import Client

__all__ = [
    "InvalidTargetError",
    "check_grant",
    "choose_audiences",
    "choose_scopes",
    "find_audiences",
    "keep_audiences",
    "narrow_audiences",
    "narrow_scopes",
]

_SCOPES = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*")


class InvalidTargetError(OAuth2Error):
    """RFC 8707 section 2."""

    error = "invalid_target"
    description = "The resource is not one that this client may have tokens for."


def check_grant(client: Client, grant_type: str) -> None:
    """UnauthorizedClientError unless the client is registered for the grant."""
    if grant_type not in client.grants:
        raise UnauthorizedClientError("The client is not registered for this grant.")


def choose_scopes(client: Client, settings: ServerSettings, requested: str | None) -> tuple[str, ...]:
    """The scopes of a token: those asked for, or the defaults when none are.

    A scope that the client may not have is refused, never silently left out.

    :raises InvalidScopeError: malformed, unknown, not registered for the client, or missing, if there are no defaults.
    """
    allowed = [scope for scope in client.scopes if scope in settings.scopes]
    if not requested:
        chosen = tuple(scope for scope in settings.default_scopes if scope in allowed)
        if allowed and not chosen:
            raise InvalidScopeError("The parameter scope is missing, and there is no default for this client.")
        return chosen
    if not _SCOPES.fullmatch(requested):
        raise InvalidScopeError("The parameter scope is malformed.")
    chosen = tuple(dict.fromkeys(requested.split(" ")))
    if not set(chosen) <= set(allowed):
        raise InvalidScopeError("The parameter scope names a scope that this client may not have.")
    return chosen


def narrow_scopes(
    client: Client, settings: ServerSettings, granted: tuple[str, ...], requested: str | None
) -> tuple[str, ...]:
    """The scopes of another token of a grant: those asked for, or all that it was given and the client may still have.

    :raises InvalidScopeError: malformed, not of the grant (RFC 6749 section 6), or nothing is left of it.
    """
    allowed = tuple(scope for scope in granted if scope in client.scopes and scope in settings.scopes)
    if granted and not allowed:
        raise InvalidScopeError("The client may no longer have what it was granted.")
    if not requested:
        return allowed
    if not _SCOPES.fullmatch(requested):
        raise InvalidScopeError("The parameter scope is malformed.")
    chosen = tuple(dict.fromkeys(requested.split(" ")))
    if not set(chosen) <= set(allowed):
        raise InvalidScopeError("The parameter scope names a scope that was not granted.")
    return chosen


def find_audiences(client: Client, settings: ServerSettings) -> tuple[str, ...]:
    """The audiences that the client was registered for; the server's default if it has none."""
    return client.audiences or settings.audience


def keep_audiences(client: Client, settings: ServerSettings, granted: tuple[str, ...]) -> tuple[str, ...]:
    """The granted audiences that the client may still have tokens for.

    :raises InvalidTargetError: none of them.
    """
    allowed = find_audiences(client, settings)
    left = tuple(audience for audience in granted if audience in allowed)
    if not left:
        raise InvalidTargetError("The client may no longer have tokens for what it was granted.")
    return left


def narrow_audiences(granted: tuple[str, ...], resources: tuple[str, ...]) -> tuple[str, ...]:
    """The audience of a token of a grant: those asked for, or all that it was given (RFC 8707 section 2.2).

    :raises InvalidTargetError: a resource that the grant is not for.
    """
    if not set(resources) <= set(granted):
        raise InvalidTargetError
    return tuple(dict.fromkeys(resources)) or granted


def choose_audiences(client: Client, settings: ServerSettings, resources: tuple[str, ...]) -> tuple[str, ...]:
    """The audience of a token: the resources asked for, or else the server's default if the client is registered for
    it, or else every audience of the client.

    :raises InvalidTargetError: a resource that the client may not have tokens for.
    """
    allowed = find_audiences(client, settings)
    if not resources:
        return tuple(audience for audience in settings.audience if audience in allowed) or allowed
    if not set(resources) <= set(allowed):
        raise InvalidTargetError
    return tuple(dict.fromkeys(resources))
