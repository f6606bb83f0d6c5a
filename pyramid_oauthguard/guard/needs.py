"""What a view needs, as its challenges say it: all of it at once, whatever was found missing first."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..errors import InsufficientScope, InsufficientUserAuthentication, InvalidRequest, OAuthGuardError, TokenError

__all__ = ["Needs", "build_needs", "name_scopes"]


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
