"""Identifiers, secrets and opaque tokens, from ``secrets``; their spelling is public, so that scanners find a leak.

A token or secret is ``prefix`` + 22 characters of id + 43 of secret + 8 of checksum, all of them URL-safe. The checksum
tells a scanner that it found a real one; it protects nothing.
"""

from __future__ import annotations

import secrets
import zlib
from dataclasses import dataclass, field

__all__ = [
    "ACCESS_PREFIX",
    "CODE_PREFIX",
    "REFRESH_PREFIX",
    "SECRET_PREFIX",
    "OpaqueValue",
    "has_checksum",
    "make_client_id",
    "make_client_secret",
    "make_id",
    "make_opaque",
]

ACCESS_PREFIX = "ogat_"
CODE_PREFIX = "ogac_"
REFRESH_PREFIX = "ogrt_"
SECRET_PREFIX = "ogcs_"  # noqa: S105  # a public prefix


@dataclass(frozen=True, slots=True)
class OpaqueValue:
    """An opaque token and the id in it, which may be logged."""

    token_id: str
    text: str = field(repr=False)


def make_id() -> str:
    """128 random bits in 22 characters, for ``jti`` and row ids."""
    return secrets.token_urlsafe(16)


def make_client_id() -> str:
    """A client id that no directory of users has: random, and marked as a client's (RFC 9700 section 4.15)."""
    return f"client-{make_id()}"


def make_client_secret() -> str:
    """A client secret of 256 random bits."""
    return make_opaque(SECRET_PREFIX).text


def make_opaque(prefix: str, token_id: str | None = None) -> OpaqueValue:
    """An opaque token of 256 random bits."""
    token_id = token_id or make_id()
    body = f"{prefix}{token_id}{secrets.token_urlsafe(32)}"
    return OpaqueValue(token_id, f"{body}{_checksum(body)}")


def has_checksum(text: str) -> bool:
    """Whether ``text`` ends in the checksum of the rest: what a scanner for leaked tokens asks."""
    return text.isascii() and len(text) > 8 and _checksum(text[:-8]) == text[-8:]


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode('ascii')):08x}"
