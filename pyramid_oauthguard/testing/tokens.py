"""Tokens with any claims and any header, well-formed or not."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from typing import Any, Final

from .keys import SigningKey

__all__ = ["ABSENT", "bearer", "is_signed_by", "mint", "read_claims", "read_payload", "sign", "tamper"]


class _Absent(enum.Enum):
    ABSENT = "absent"


ABSENT: Final = _Absent.ABSENT
"""The value that leaves out a claim or header parameter (None stands for JSON's null)."""


def mint(claims: Mapping[str, Any], key: SigningKey, *, header: Mapping[str, Any] | None = None) -> str:
    """A JWT (RFC 7519) with exactly these ``claims``, signed by ``key``.

    The header is ``alg`` and ``kid`` of the key and the ``typ`` of RFC 9068, replaced by ``header``, also with a wrong
    ``alg``. Nothing is checked: this also makes tokens that must be refused.
    """
    protected = {"alg": key.algorithm, "typ": "at+jwt", "kid": key.kid, **(header or {})}
    return sign(_as_json(protected), _as_json(claims), key)


def sign(header: bytes, payload: bytes, key: SigningKey) -> str:
    """The compact serialization (RFC 7515 section 7.1) of exactly these bytes, which may be invalid."""
    from joserfc.jws import JWSRegistry

    signed = f"{_encode(header)}.{_encode(payload)}"
    signature = JWSRegistry.algorithms[key.algorithm].sign(signed.encode(), key.native)
    return f"{signed}.{_encode(signature)}"


def tamper(raw: str, **claims: Any) -> str:
    """``raw`` with some of its claims exchanged (``sub``, unless others are named) under the old signature."""
    header, _payload, signature = raw.split(".")
    members = {**read_claims(raw), **(claims or {"sub": "somebody-else"})}
    return f"{header}.{_encode(_as_json(members))}.{signature}"


def bearer(raw: str) -> dict[str, str]:
    """The request header that presents ``raw`` (RFC 6750 section 2.1), for WebTest's ``headers=``."""
    return {"Authorization": f"Bearer {raw}"}


def is_signed_by(raw: str, key: SigningKey) -> bool:
    """Whether ``key`` made the signature of ``raw``; its claims and header are not checked."""
    from joserfc.jws import JWSRegistry
    from joserfc.util import urlsafe_b64decode

    signed, _dot, signature = raw.rpartition(".")
    try:
        return JWSRegistry.algorithms[key.algorithm].verify(
            signed.encode(), urlsafe_b64decode(signature.encode()), key.native
        )
    except ValueError:
        return False


def read_claims(raw: str) -> dict[str, Any]:
    """What ``raw`` claims. Neither its signature nor anything else is checked.

    :raises ValueError: it is not a JWT.
    """
    claims = json.loads(read_payload(raw))
    if not isinstance(claims, dict):
        raise ValueError("the claims are not a JSON object")
    return claims


def read_payload(raw: str) -> bytes:
    """The middle part of the compact serialization ``raw``, decoded; ValueError when it isn't one."""
    from joserfc.util import urlsafe_b64decode

    _header, payload, _signature = raw.split(".")
    return urlsafe_b64decode(payload.encode())


def _encode(data: bytes) -> str:
    from joserfc.util import urlsafe_b64encode

    return urlsafe_b64encode(data).decode()


def _as_json(members: Mapping[str, Any]) -> bytes:
    present = {name: value for name, value in members.items() if value is not ABSENT}
    return json.dumps(present, separators=(",", ":")).encode()
