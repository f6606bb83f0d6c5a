"""What a view may require of a token beyond its being valid: pure functions of the token, and what challenges say of them.

A requirement may have attributes that say in challenges what it requires: ``scopes``, ``acr_values`` (tuples of texts) and
``max_age`` (seconds).
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..access_token import AccessToken
from ..errors import (
    InsufficientScope,
    InsufficientUserAuthentication,
    InvalidRequest,
    InvalidToken,
    OAuthGuardError,
    SettingError,
    TokenError,
)
from ..interfaces import ITokenRequirement
from ..jwt.claims import as_time
from ..settings import as_duration, as_list

__all__ = [
    "BUILT_IN",
    "VIEW_OPTIONS",
    "Needs",
    "Requirement",
    "build_needs",
    "build_requirements",
    "check_requirements",
    "is_for",
    "name_scopes",
    "require_client",
    "require_issuer",
]

Requirement = Callable[[AccessToken], None]

#: The options of a view that need a token, whatever its permission.
VIEW_OPTIONS: Final = ("token_check", "token_require", "token_issuer")
#: How far the clock of an issuer may be ahead, whatever the leeway for its tokens is.
_MOST_AHEAD_SECONDS: Final = 300.0


@dataclass(frozen=True, slots=True)
class Needs:
    """What the requirements of one view say about themselves.

    :ivar scopes: all scopes that they name (RFC 6750 section 3).
    :ivar acr_values: authentication context classes, of which one is required (RFC 9470 section 3).
    :ivar max_age: seconds for which a sign-in is recent enough, or None.
    """

    scopes: tuple[str, ...]
    acr_values: tuple[str, ...]
    max_age: int | None

    def complete(self, error: OAuthGuardError) -> OAuthGuardError:
        """``error``, or a copy that names everything the view needs: an error object may serve many requests."""
        if isinstance(error, InsufficientUserAuthentication):
            found = copy.copy(error)
            found.acr_values = error.acr_values or self.acr_values
            found.max_age = self.max_age if error.max_age is None else error.max_age
            return found
        return name_scopes(error, self.scopes)


def build_needs(requirements: Iterable[Any]) -> Needs:
    """What these requirements say; one that says nothing of itself adds nothing."""
    scopes: list[str] = []
    acr_values: list[str] = []
    ages: list[int] = []
    for each in requirements:
        scopes += getattr(each, "scopes", ())
        acr_values += getattr(each, "acr_values", ())
        ages += [each.max_age] if hasattr(each, "max_age") else []
    return Needs(tuple(dict.fromkeys(scopes)), tuple(dict.fromkeys(acr_values)), min(ages, default=None))


def build_requirements(registry: Any, value: Any, owner: str = "token_require") -> tuple[Requirement, ...]:
    """The requirements of a ``token_require``: scopes, or a dictionary with the value of each requirement.

    :param owner: what errors begin with.
    :raises SettingError: one is not known, or has a value that it can't have.
    """
    if value is None:
        return ()
    wanted: dict[Any, Any] = value if isinstance(value, dict) else {"scope": value}
    return tuple(_build_requirement(registry, name, value=each, owner=owner) for name, each in wanted.items())


def _build_requirement(registry: Any, name: Any, *, value: Any, owner: str) -> Requirement:
    factory = registry.queryUtility(ITokenRequirement, name=name) if isinstance(name, str) else None
    if factory is None:
        known = ", ".join(sorted(each for each, _ in registry.getUtilitiesFor(ITokenRequirement)))
        raise SettingError(owner, f"{name!r} is not a requirement", f"known are {known}")
    try:
        requirement: Requirement = factory(value)
    except (ValueError, TypeError) as error:
        raise SettingError(owner, f"{name}: {error}") from error
    if not callable(requirement):
        raise SettingError(owner, f"{name}: its factory must return a callable, not {requirement!r}")
    return requirement


def check_requirements(requirements: Iterable[Requirement], token: AccessToken) -> None:
    """Check that a token meets all of them. :raises OAuthGuardError: what the first one that it does not meet raised."""
    for check in requirements:
        if check(token) is not None:
            raise TypeError(f"{check!r} must return None or raise: what else it returns would be overlooked")


def name_scopes(error: OAuthGuardError, scopes: tuple[str, ...]) -> OAuthGuardError:
    """``error``, or a copy that names ``scopes`` too.

    Not where the request could not be read, and not where something else than scopes is missing.
    """
    if not scopes or not isinstance(error, TokenError) or isinstance(error, InvalidRequest):
        return error
    if isinstance(error, InsufficientScope) and not error.scopes:
        return error
    found = copy.copy(error)
    found.scopes = tuple(dict.fromkeys((*error.scopes, *scopes)))
    return found


def require_scope(value: Any) -> Requirement:
    """All of these scopes. The value is a whitespace-separated string or a list."""
    needed = _as_words(value)

    def check_scope(token: AccessToken) -> None:
        # The first half is the usual case, and costs a third of the second.
        if not token.scopes.issuperset(needed) and not token.can_all(*needed):
            raise InsufficientScope(scopes=needed)

    return _tell(check_scope, scopes=needed)


def require_any_scope(value: Any) -> Requirement:
    """At least one of these scopes."""
    needed = _as_words(value)

    def check_any_scope(token: AccessToken) -> None:
        if not token.can_any(*needed):
            raise InsufficientScope(scopes=needed)

    return _tell(check_any_scope, scopes=needed)


def require_client(value: Any, *, name: Callable[[AccessToken], str | None] | None = None) -> Requirement:
    """The token was issued to one of these clients.

    :param name: what a token's client is called in the value. None: by its own id.
    """
    clients = frozenset(_as_words(value))

    def check_client(token: AccessToken) -> None:
        if (token.client_id if name is None else name(token)) not in clients:
            raise InsufficientScope("wrong_client")

    return check_client


def require_issuer(value: Any, *, known: Iterable[str]) -> Requirement:
    """The token is from one of these issuers.

    :param known: the names of all issuers.
    :raises ValueError: one is not known.
    """
    names = frozenset(_as_words(value))
    unknown = sorted(names.difference(known))
    if unknown:
        raise ValueError(f"{unknown[0]!r} is not one of oauthguard.issuers")

    def check_issuer(token: AccessToken) -> None:
        if token.issuer_name not in names:
            raise InsufficientScope("wrong_issuer")

    return check_issuer


def is_for(value: Any, name: str | None) -> bool:
    """Whether a view whose option ``token_issuer`` is ``value`` accepts tokens of the issuer called ``name``."""
    return value is None or name in _as_words(value)


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
        try:
            age = time.time() - as_time(token.claims.get("auth_time"))
        except InvalidToken:
            raise InsufficientUserAuthentication("no_auth_time", max_age=whole) from None
        if age < -_MOST_AHEAD_SECONDS:  # such as a time in milliseconds: it says nothing of how long ago it was
            raise InsufficientUserAuthentication("auth_time_in_future", max_age=whole)
        if age > seconds:
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
