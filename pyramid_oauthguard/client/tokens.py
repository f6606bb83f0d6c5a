"""What a token endpoint answers, checked (RFC 6749 section 5.1)."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeGuard

from .errors import NETWORK, CommandError
from .recipients import Credential

__all__ = ["Tokens", "as_tokens"]

# RFC 6749 appendix A.12 allows a space too, which no Authorization header could carry.
_TOKEN: Final = re.compile(r"[\x21-\x7e]+")
_LONGEST_LIFE: Final = 10 * 365 * 86400


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """An access token, and the refresh token that came with it.

    :ivar issuer: the issuer that issued them.
    :ivar expires_at: seconds since the epoch, None where the server did not say.
    :ivar scope: what was granted, None where the server neither said nor was asked.
    """

    issuer: str
    access_token: str = field(repr=False)
    expires_at: float | None = None
    refresh_token: str | None = field(default=None, repr=False)
    id_token: str | None = field(default=None, repr=False)
    scope: str | None = None

    def lives(self, seconds: float) -> bool:
        """Whether the access token has at least ``seconds`` left. Says nothing about a revocation."""
        return self.expires_at is None or self.expires_at - time.time() >= seconds

    @property
    def access_credential(self) -> Credential:
        """The access token, for its issuer alone."""
        return Credential(
            text=self.access_token, name="the access token", place="the token endpoint", issuer=self.issuer
        )

    @property
    def refresh_credential(self) -> Credential | None:
        """The refresh token, for its issuer alone; None where there is none."""
        if self.refresh_token is None:
            return None
        return Credential(
            text=self.refresh_token, name="the refresh token", place="the token endpoint", issuer=self.issuer
        )

    def keep_refresh_token(self, before: Tokens) -> Tokens:
        """These with the refresh token of ``before`` where the server sent no new one (RFC 6749 section 6)."""
        return self if self.refresh_token else replace(self, refresh_token=before.refresh_token)


def as_tokens(body: Mapping[str, Any], *, issuer: str, asked_scope: str | None = None) -> Tokens:
    """The answer ``body`` of the token endpoint of ``issuer`` as Tokens.

    :raises CommandError: no usable access token in it, or one of a type other than Bearer.
    """
    access_token = body.get("access_token")
    if not is_token(access_token):
        raise CommandError(NETWORK, "the token endpoint answered 200 without a usable access_token")
    kind = body.get("token_type")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise CommandError(NETWORK, f"the server issued a token of type {kind!r}", "only Bearer is supported")
    scope = body.get("scope")
    return Tokens(
        issuer=issuer,
        access_token=access_token,
        expires_at=_as_expiry(body.get("expires_in")),
        refresh_token=_as_optional(body.get("refresh_token")),
        id_token=_as_optional(body.get("id_token")),
        scope=scope if isinstance(scope, str) else asked_scope,
    )


def is_token(value: object) -> TypeGuard[str]:
    """Whether ``value`` is text that fits an Authorization header."""
    return isinstance(value, str) and _TOKEN.fullmatch(value) is not None


def _as_optional(value: object) -> str | None:
    return value if is_token(value) else None


def _as_expiry(seconds: object) -> float | None:
    if isinstance(seconds, str) and seconds.isascii() and seconds.isdigit() and len(seconds) < 12:
        seconds = int(seconds)  # some servers quote it
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not math.isfinite(seconds):
        return None
    return time.time() + min(max(seconds, 0), _LONGEST_LIFE)
