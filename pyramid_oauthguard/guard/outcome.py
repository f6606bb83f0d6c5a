"""What became of a request's token, for code that must tell "no token" from "bad token" from "issuer down"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..access_token import AccessToken
from ..errors import MissingToken, OAuthGuardError, UnavailableError
from .authentication import Result

__all__ = ["TokenOutcome", "build_outcome"]


@dataclass(frozen=True, slots=True)
class TokenOutcome:
    """The answer of :meth:`OAuthSecurityPolicy.result() <pyramid_oauthguard.guard.OAuthSecurityPolicy.result>`.

    :ivar kind: ``"token"``: a good one. ``"no_token"``: the request brings none. ``"bad_token"``: it brings one that is
        refused, or an Authorization header that cannot be read. ``"issuer_down"``: the token could not be checked.
    :ivar access_token: the verified token, otherwise None.
    :ivar error: why there is none: its ``reason`` is for logs, and raising it gives the caller the guard's own answer.
    """

    kind: Literal["token", "no_token", "bad_token", "issuer_down"]
    access_token: AccessToken | None = None
    error: OAuthGuardError | None = None


def build_outcome(result: Result) -> TokenOutcome:
    """The outcome of one authentication."""
    if isinstance(result, AccessToken):
        return TokenOutcome("token", access_token=result)
    if isinstance(result, MissingToken):
        return TokenOutcome("no_token", error=result)
    if isinstance(result, UnavailableError):
        return TokenOutcome("issuer_down", error=result)
    return TokenOutcome("bad_token", error=result)
