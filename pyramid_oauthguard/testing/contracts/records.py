"""Records that the suites for stores are made of. The client ``app`` is in each store."""

from __future__ import annotations

import secrets
from typing import Any, Final

__all__ = ["LATER", "NOW", "SIGNED_IN", "describe_token", "make_access", "make_hash", "make_key"]

NOW: Final = 1_800_000_000.0
LATER: Final = NOW + 600
#: When and how the user of each grant signed in.
SIGNED_IN: Final[dict[str, Any]] = {"auth_time": NOW - 1, "acr": "urn:example:gold"}


def make_access(grant_id: str | None) -> Any:
    """An access token of a grant, or of no user."""
    from ...server.store.records import AccessTokenRecord

    facts: dict[str, Any] = {} if grant_id is None else SIGNED_IN
    return AccessTokenRecord(token_id=secrets.token_hex(8), grant_id=grant_id, **facts, **describe_token())


def make_key(number: int) -> Any:
    """A signing key that signs."""
    from ...server.store.records import SigningKeyRecord

    return SigningKeyRecord(
        kid=secrets.token_hex(8),
        number=number,
        algorithm="ES256",
        public_jwk="{}",
        private_box=b"box",
        created_at=NOW,
        active_from=NOW,
    )


def describe_token() -> dict[str, Any]:
    """What access tokens and refresh tokens have in common."""
    return {
        "hash": make_hash(),
        "client_id": "app",
        "subject": "anna",
        "scopes": ("a",),
        "audiences": ("https://api.test",),
        "issued_at": NOW,
        "expires_at": LATER,
    }


def make_hash() -> bytes:
    """Another hash each time."""
    return secrets.token_bytes(32)
