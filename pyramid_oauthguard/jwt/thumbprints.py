"""The thumbprints of a key's certificate (RFC 7517 sections 4.8 and 4.9): hints, and never a reason to trust a key."""

from __future__ import annotations

import hashlib
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any, Final

__all__ = ["describe_certificate", "find_thumbprints"]

_HASHES: Final = {"x5t#S256": hashlib.sha256, "x5t": hashlib.sha1}


def find_thumbprints(document: Mapping[str, Any]) -> dict[str, str]:
    """``x5t`` and ``x5t#S256`` of a key: those that it names, otherwise those of its certificate in ``x5c``."""
    named = {name: document[name] for name in _HASHES if isinstance(document.get(name), str)}
    chain = document.get("x5c")
    if isinstance(chain, list) and chain and isinstance(chain[0], str):
        try:
            return describe_certificate(b64decode(chain[0], validate=True)) | named
        except ValueError:
            return named
    return named


def describe_certificate(der: bytes) -> dict[str, str]:
    """The thumbprints of a certificate."""
    return {name: urlsafe_b64encode(make(der).digest()).rstrip(b"=").decode() for name, make in _HASHES.items()}
