"""Identifiers, secrets and opaque tokens, from ``secrets``. Their format is public, so that scanners can find leaked
ones.

A token or secret is ``prefix`` + 22 characters of id + 43 of secret + 8 of checksum, all of them URL-safe. The checksum
lets a scanner recognize a real one; it does not protect the secret.
"""

from __future__ import annotations

import base64
import hmac
import secrets
import zlib
from dataclasses import dataclass, field
from hashlib import sha512

__all__ = [
    "ACCESS_PREFIX",
    "CODE_PREFIX",
    "DEVICE_PREFIX",
    "REFRESH_PREFIX",
    "REGISTRATION_PREFIX",
    "SECRET_PREFIX",
    "USER_CODE_LETTERS",
    "OpaqueValue",
    "derive_opaque",
    "has_checksum",
    "is_client_secret",
    "make_client_id",
    "make_client_secret",
    "make_id",
    "make_opaque",
    "make_user_code",
]

ACCESS_PREFIX = "ogat_"
CODE_PREFIX = "ogac_"
DEVICE_PREFIX = "ogdc_"
REFRESH_PREFIX = "ogrt_"
REGISTRATION_PREFIX = "ogra_"
SECRET_PREFIX = "ogcs_"  # noqa: S105  # a public prefix
USER_CODE_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
_SECRET_LENGTH = len(SECRET_PREFIX) + 22 + 43 + 8


@dataclass(frozen=True, slots=True)
class OpaqueValue:
    """An opaque token and the id in it, which may be logged."""

    token_id: str
    text: str = field(repr=False)


def make_id() -> str:
    """128 random bits in 22 characters, for ``jti`` and row ids."""
    return secrets.token_urlsafe(16)


def make_client_id() -> str:
    """A client id that can't be a user's identifier: random, and with a prefix for clients (RFC 9700 section 4.15)."""
    return f"client-{make_id()}"


def make_client_secret() -> str:
    """A client secret of 256 random bits."""
    return make_opaque(SECRET_PREFIX).text


def make_opaque(prefix: str, token_id: str | None = None) -> OpaqueValue:
    """An opaque token of 256 random bits."""
    return _build(prefix, token_id or make_id(), secrets.token_urlsafe(32))


def derive_opaque(prefix: str, key: bytes, text: str) -> OpaqueValue:
    """The opaque token that follows ``text``: the same one each time, and unpredictable without the key (32 bytes)."""
    digest = hmac.digest(key, text.encode("utf-8", "surrogatepass"), sha512)
    return _build(prefix, _encode(digest[:16]), _encode(digest[16:48]))


def make_user_code() -> str:
    """What people type for a device: 8 of 20 consonants, in which no word can be read (RFC 8628 section 6.1)."""
    return "".join(secrets.choice(USER_CODE_LETTERS) for _ in range(8))


def has_checksum(text: str) -> bool:
    """Whether ``text`` ends in the checksum of the rest: what a scanner for leaked tokens asks."""
    return text.isascii() and len(text) > 8 and _checksum(text[:-8]) == text[-8:]


def is_client_secret(text: str) -> bool:
    """Whether ``text`` has the format of a client secret that this server makes. A secret that people chose does not,
    unless they imitate the format with 65 characters on purpose."""
    return len(text) == _SECRET_LENGTH and text.startswith(SECRET_PREFIX) and has_checksum(text)


def _build(prefix: str, token_id: str, secret: str) -> OpaqueValue:
    body = f"{prefix}{token_id}{secret}"
    return OpaqueValue(token_id, f"{body}{_checksum(body)}")


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode('ascii')):08x}"
