"""Two checks of one token, where neither is stricter than the other."""

from __future__ import annotations

from typing import Any

from ...access_token import AccessToken
from ...errors import InvalidToken
from ...interfaces import Credential

__all__ = ["JointVerifier"]


class JointVerifier:
    """Both must accept the token, for the same user. The token is that of the first."""

    def __init__(self, first: Any, second: Any) -> None:
        self._first = first
        self._second = second

    def verify(self, credential: Credential) -> AccessToken:
        """:raises InvalidToken: one refuses it. :raises UnavailableError: one can't decide."""
        token: AccessToken = self._first.verify(credential)
        other: AccessToken = self._second.verify(credential)
        if token.subject != other.subject:
            raise InvalidToken("other_token")
        return token
