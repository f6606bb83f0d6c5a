"""What a client may have of what it asks for: grants, scopes (RFC 6749 section 3.3) and audiences (RFC 8707)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from ..http.errors import InvalidScopeError, OAuth2Error, UnauthorizedClientError
from ..settings import ServerSettings
from ..store.records import Client, Grant
from .resources import find_resource

__all__ = [
    "OFFLINE_ACCESS",
    "InvalidTargetError",
    "check_grant",
    "check_scopes",
    "choose_audiences",
    "choose_scopes",
    "find_audiences",
    "keep_audiences",
    "keep_granted",
    "narrow_audiences",
    "narrow_scopes",
]

#: Asks for a refresh token, and is not a scope of any API.
OFFLINE_ACCESS: Final = "offline_access"
_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")


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

    A scope that the client may not have is refused; with the setting ``narrow_scopes``, it is left out.

    :raises InvalidScopeError: malformed, none that the client may have, or missing, if there are no defaults.
    """
    allowed = _find_scopes(client, settings)
    asked = _read_scopes(requested, allowed)
    if asked:
        return _take(asked, allowed, settings, "The parameter scope names a scope that this client may not have.")
    chosen = tuple(scope for scope in settings.default_scopes if scope in allowed)
    if allowed and not chosen:
        raise InvalidScopeError("The parameter scope is missing, and there is no default for this client.")
    return chosen


def check_scopes(client: Client, settings: ServerSettings, scopes: Iterable[str]) -> None:
    """:raises InvalidScopeError: the client may not have all of these. ``narrow_scopes`` changes nothing here."""
    if not set(scopes) <= set(_find_scopes(client, settings)):
        raise InvalidScopeError("The token has a scope that this client may not have.")


def narrow_scopes(
    client: Client, settings: ServerSettings, granted: tuple[str, ...], requested: str | None
) -> tuple[str, ...]:
    """The scopes of another token of a grant: those asked for, or all that it was given and the client may still have.

    :raises InvalidScopeError: malformed, not of the grant (RFC 6749 section 6), or nothing is left of it.
    """
    allowed = tuple(scope for scope in granted if scope in _find_scopes(client, settings))
    if granted and not allowed:
        raise InvalidScopeError("The client may no longer have what it was granted.")
    asked = _read_scopes(requested, allowed)
    if not asked:
        return allowed
    return _take(asked, allowed, settings, "The parameter scope names a scope that was not granted.")


def _find_scopes(client: Client, settings: ServerSettings) -> tuple[str, ...]:
    """The scopes that the client is registered for and that exist."""
    return tuple(scope for scope in client.scopes if scope in settings.scopes)


def _read_scopes(requested: str | None, allowed: tuple[str, ...]) -> tuple[str, ...]:
    """The scopes in a parameter; additional spaces between them have no meaning.

    ``offline_access`` asks for a refresh token (OpenID Connect Core 1.0 section 11). Clients that are registered for refresh
    tokens get them in any case, so it is left out, unless the application has a scope of this name.

    :raises InvalidScopeError: malformed.
    """
    asked = tuple(dict.fromkeys((requested or "").split(" ")))
    if not all(_SCOPE.fullmatch(scope) for scope in asked if scope):
        raise InvalidScopeError("The parameter scope is malformed.")
    return tuple(scope for scope in asked if scope and (scope != OFFLINE_ACCESS or scope in allowed))


def _take(asked: tuple[str, ...], allowed: tuple[str, ...], settings: ServerSettings, problem: str) -> tuple[str, ...]:
    """The scopes that were asked for and are allowed. Without ``narrow_scopes``, this must be all of them."""
    chosen = tuple(scope for scope in asked if scope in allowed)
    if not chosen or (len(chosen) < len(asked) and not settings.narrow_scopes):
        raise InvalidScopeError(problem)
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
    return _find_all(granted, resources) or granted


def keep_granted(
    client: Client, settings: ServerSettings, grant: Grant, resources: tuple[str, ...], *, scope: str | None = None
) -> dict[str, tuple[str, ...]]:
    """The scopes and audiences of an access token of a grant: what was granted, what the client may still have, and, where the
    request says so, a part of it.

    :raises OAuth2Error: nothing is left, or the request asks for more.
    """
    audiences = keep_audiences(client, settings, grant.audiences)
    return {
        "scopes": narrow_scopes(client, settings, grant.scopes, scope),
        "audiences": narrow_audiences(audiences, resources),
    }


def choose_audiences(client: Client, settings: ServerSettings, resources: tuple[str, ...]) -> tuple[str, ...]:
    """The audience of a token: the resources asked for, or else the server's default if the client is registered for
    it, or else every audience of the client.

    :raises InvalidTargetError: a resource that the client may not have tokens for.
    """
    allowed = find_audiences(client, settings)
    if not resources:
        return tuple(audience for audience in settings.audience if audience in allowed) or allowed
    return _find_all(allowed, resources)


def _find_all(allowed: tuple[str, ...], resources: tuple[str, ...]) -> tuple[str, ...]:
    """The registered spelling of each of these resources.

    :raises InvalidTargetError: one of them is not allowed.
    """
    found = [find_resource(resource, allowed) for resource in resources]
    if None in found:
        raise InvalidTargetError
    return tuple(dict.fromkeys(each for each in found if each is not None))
