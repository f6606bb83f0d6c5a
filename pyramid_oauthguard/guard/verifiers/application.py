"""An application's own verifier, which is given the characters of a token and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

from zope.interface import implementer

from ...access_token import AccessToken
from ...interfaces import Credential, ICredentialVerifier
from .access_tokens import find_implied

__all__ = ["ApplicationVerifier", "CheckedVerifier"]

_FIELDS: Final = tuple(each.name for each in fields(AccessToken) if each.init)


@implementer(ICredentialVerifier)
class ApplicationVerifier:
    """What was given to ``config.set_token_verifier``, as the guard asks it."""

    def __init__(self, verifier: Any) -> None:
        self._verifier = verifier

    def verify(self, credential: Credential) -> Any:
        return self._verifier.verify(credential.characters)


class CheckedVerifier:
    """A verifier that is not the guard's own. Its tokens may be anything, and may serve other applications too.

    :param contained: for each scope, all scopes that it contains: the application does not add these itself.
    """

    def __init__(self, verifier: Any, contained: Mapping[str, frozenset[str]]) -> None:
        self._verifier = verifier
        self._contained = contained

    def verify(self, credential: Credential) -> AccessToken:
        token = self._verifier.verify(credential)
        if not isinstance(token, AccessToken):
            raise TypeError("a verifier returns an AccessToken or raises")  # None would be as good as a token otherwise
        members = {name: getattr(token, name) for name in _FIELDS}
        return AccessToken(**{**members, "implied_scopes": find_implied(token.scopes, self._contained)})
