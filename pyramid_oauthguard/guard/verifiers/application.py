"""An application's own verifier, which is given the characters of a token and nothing else."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final

from zope.interface import implementer

from ...access_token import AccessToken
from ...interfaces import Credential, ICredentialVerifier

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
    """A verifier that is not the guard's own. Its tokens may be anything, and may serve other applications too."""

    def __init__(self, verifier: Any) -> None:
        self._verifier = verifier

    def verify(self, credential: Credential) -> AccessToken:
        token = self._verifier.verify(credential)
        if not isinstance(token, AccessToken):
            raise TypeError("a verifier returns an AccessToken or raises")  # None would be as good as a token otherwise
        return AccessToken(**{name: getattr(token, name) for name in _FIELDS})
