"""Tickets: each form of ours carries one. So no other site can send the form for the user or change what was shown.

A ticket is sealed with a key made of the pepper, so no session is needed, and the application's session is not changed.
It contains the user, and opens for this user only: this is the protection against cross-site requests. Its content is
signed but not encrypted.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import time
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from ..hashing import Pepper

__all__ = ["FIELD", "LIFETIME_SECONDS", "find_content", "open_ticket", "seal_ticket"]

FIELD: Final = "ticket"
LIFETIME_SECONDS: Final = 3600.0
_SEAL_BYTES: Final = 32


def seal_ticket(pepper: Pepper, purpose: str, content: Mapping[str, Any], *, subject: str) -> str:
    """Seal ``content`` (JSON values) for :data:`LIFETIME_SECONDS`.

    :param purpose: the kind of form; a ticket opens for its own purpose only.
    :param subject: the user whom the form was shown.
    """
    body = json.dumps({"content": dict(content), "sub": subject, "exp": time.time() + LIFETIME_SECONDS}).encode()
    return base64.urlsafe_b64encode(_seal(pepper, purpose, body) + body).decode()


def open_ticket(pepper: Pepper, purpose: str, text: str | None, *, subject: str | None) -> dict[str, Any] | None:
    """The content of a ticket; None when it is not ours, not of this purpose, not of this user, or too old.

    :param text: as it was sent, any text.
    """
    ticket = _read(pepper, purpose, text)
    if ticket is None or ticket["sub"] != subject or not 0 <= ticket["exp"] - time.time() <= LIFETIME_SECONDS:
        return None
    content: dict[str, Any] = ticket["content"]
    return content


def find_content(pepper: Pepper, purpose: str, text: str | None) -> dict[str, Any] | None:
    """The content of a ticket of ours, of any user and any age. Use it only for what a plain link may do, too."""
    ticket = _read(pepper, purpose, text)
    return None if ticket is None else ticket["content"]


def _read(pepper: Pepper, purpose: str, text: str | None) -> dict[str, Any] | None:
    try:
        raw = base64.b64decode((text or "").encode(), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    seal, body = raw[:_SEAL_BYTES], raw[_SEAL_BYTES:]
    if not hmac.compare_digest(seal, _seal(pepper, purpose, body)):
        return None
    ticket: dict[str, Any] = json.loads(body)
    return ticket


def _seal(pepper: Pepper, purpose: str, body: bytes) -> bytes:
    return hmac.digest(pepper.derive_key(f"ticket {purpose}"), body, sha256)
