"""What a view may require of a token beyond its being valid: pure functions of the token.

A requirement may have attributes that say in challenges what it requires: ``scopes``, ``acr_values`` (tuples of texts) and
``max_age`` (seconds).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from ..access_token import AccessToken
from ..errors import InsufficientScope, InsufficientUserAuthentication
from ..settings import as_duration, as_list

__all__ = ["BUILT_IN", "Requirement"]

Requirement = Callable[[AccessToken], None]


def require_scope(value: Any) -> Requirement:
    """All of these scopes. The value is a whitespace-separated string or a list."""
    needed = _as_words(value)

    def check_scope(token: AccessToken) -> None:
        if not token.scopes.issuperset(needed):
            raise InsufficientScope(scopes=needed)

    return _tell(check_scope, scopes=needed)


def require_any_scope(value: Any) -> Requirement:
    """At least one of these scopes."""
    needed = _as_words(value)

    def check_any_scope(token: AccessToken) -> None:
        if token.scopes.isdisjoint(needed):
            raise InsufficientScope(scopes=needed)

    return _tell(check_any_scope, scopes=needed)


def require_client(value: Any) -> Requirement:
    """The token was issued to one of these clients."""
    clients = frozenset(_as_words(value))

    def check_client(token: AccessToken) -> None:
        if token.client_id not in clients:
            raise InsufficientScope("wrong_client")

    return check_client


def require_acr(value: Any) -> Requirement:
    """The user signed in with one of these authentication context classes (``acr``, RFC 9068 section 2.2.1)."""
    classes = _as_words(value)

    def check_acr(token: AccessToken) -> None:
        acr = token.claims.get("acr")
        if not isinstance(acr, str) or acr not in classes:
            raise InsufficientUserAuthentication("wrong_acr", acr_values=classes)

    return _tell(check_acr, acr_values=classes)


def require_max_age(value: Any) -> Requirement:
    """The user signed in (``auth_time``, RFC 9068 section 2.2.1) at most so long ago: seconds, or ``5m``."""
    seconds = as_duration(value)
    whole = math.floor(seconds)  # what a challenge can say (RFC 9470 section 3)

    def check_max_age(token: AccessToken) -> None:
        auth_time = token.claims.get("auth_time")
        if isinstance(auth_time, bool) or not isinstance(auth_time, (int, float)):
            raise InsufficientUserAuthentication("no_auth_time", max_age=whole)
        if not time.time() - auth_time <= seconds:
            raise InsufficientUserAuthentication("signed_in_too_long_ago", max_age=whole)

    return _tell(check_max_age, max_age=whole)


BUILT_IN: Final[Mapping[str, Callable[[Any], Requirement]]] = {
    "scope": require_scope,
    "any_scope": require_any_scope,
    "client": require_client,
    "acr": require_acr,
    "max_age": require_max_age,
}


def _tell(requirement: Requirement, **said: Any) -> Requirement:
    requirement.__dict__.update(said)
    return requirement


def _as_words(value: Any) -> tuple[str, ...]:
    words = as_list(value)
    if not words:
        raise ValueError("must name at least one")
    return words
