"""The checked answer of a token endpoint (RFC 6749 section 5.1)."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeGuard

from .errors import UnusableTokensError
from .issued_secret import IssuedSecret
from .members import as_seconds
from .recipients import Credential
from .text import is_utf8, shorten

__all__ = ["Tokens", "as_tokens", "is_refresh_token", "is_token"]

# RFC 6749 appendix A.12 allows a space too, which no Authorization header could carry.
_TOKEN: Final = re.compile(r"[\x21-\x7e]+")
_LONGEST_LIFE_SECONDS: Final = 10 * 365 * 86400


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """An access token, and the refresh token that came with it.

    :ivar issuer: the issuer that issued them.
    :ivar expires_at: seconds since the epoch, None where the server did not say.
    :ivar scope: what was granted, None if the request and the answer do not have it.
    :ivar issued_secret: the secret of a client that registered itself; without it the refresh token can't be used.
    """

    issuer: str
    access_token: str = field(repr=False)
    expires_at: float | None = None
    refresh_token: str | None = field(default=None, repr=False)
    id_token: str | None = field(default=None, repr=False)
    scope: str | None = None
    issued_secret: IssuedSecret | None = None

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

    def keep_from(self, before: Tokens) -> Tokens:
        """These with the client secret of ``before``, and with its refresh token if the server sent no new one (RFC 6749 section 6)."""
        return replace(
            self, refresh_token=self.refresh_token or before.refresh_token, issued_secret=before.issued_secret
        )


def as_tokens(body: Mapping[str, Any], *, issuer: str, asked_scope: str | None = None) -> Tokens:
    """The answer ``body`` of the token endpoint of ``issuer`` as Tokens.

    A lifetime, scope or refresh token of a wrong type counts as absent. So does ``token_type``, which some servers leave out.

    :raises UnusableTokensError: no usable access token in it, or one of a type other than Bearer.
    """
    refresh_token = _as_refresh_token(body.get("refresh_token"))
    access_token = body.get("access_token")
    if not is_token(access_token):
        text = "the token endpoint answered without a usable access_token"
        raise UnusableTokensError(text, refresh_token=refresh_token)
    kind = body.get("token_type")
    if isinstance(kind, str) and kind.strip().lower() not in ("", "bearer"):
        text = f"the server issued a token of type {shorten(kind)}"
        raise UnusableTokensError(text, "only Bearer is supported", refresh_token=refresh_token)
    lifetime = as_seconds(body.get("expires_in"))
    return Tokens(
        issuer=issuer,
        access_token=access_token,
        expires_at=None if lifetime is None else time.time() + min(lifetime, _LONGEST_LIFE_SECONDS),
        refresh_token=refresh_token,
        id_token=_as_id_token(body.get("id_token")),
        scope=_as_scope(body.get("scope")) or asked_scope,
    )


def is_token(value: object) -> TypeGuard[str]:
    """Whether ``value`` is text that fits an Authorization header."""
    return isinstance(value, str) and _TOKEN.fullmatch(value) is not None


def is_refresh_token(value: object) -> TypeGuard[str]:
    """Whether ``value`` is text that fits a form."""
    return isinstance(value, str) and bool(value) and is_utf8(value)


def _as_refresh_token(value: object) -> str | None:
    return value if is_refresh_token(value) else None


def _as_id_token(value: object) -> str | None:
    return value if is_token(value) else None


def _as_scope(value: object) -> str | None:
    """Text, or a list of texts, as some servers have it."""
    words = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    if not all(isinstance(word, str) and is_utf8(word) for word in words):
        return None
    return " ".join(words) or None
