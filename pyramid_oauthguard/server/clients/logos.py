"""Logos of clients: small images whose type is read from their first bytes."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Final

from ..grant_types import RegistrationError
from ..store.records import Logo

__all__ = ["MAX_BYTES", "read_logo"]

MAX_BYTES: Final = 64 * 1024
_KINDS: Final = {
    "png": re.compile(rb"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR", re.DOTALL),
    "jpeg": re.compile(rb"\xff\xd8\xff", re.DOTALL),
    "gif": re.compile(rb"GIF8[79]a", re.DOTALL),
    "webp": re.compile(rb"RIFF....WEBP", re.DOTALL),
}


def read_logo(data: bytes) -> Logo:
    """The logo in these bytes.

    :raises RegistrationError: too big, or none of the types.
    """
    kind = next((name for name, pattern in _KINDS.items() if pattern.match(data)), None)
    if kind is None or len(data) > MAX_BYTES:
        problem = f"must be a PNG, JPEG, GIF or WebP image of at most {MAX_BYTES // 1024} KiB; SVG is not accepted"
        raise RegistrationError("logo", problem)
    return Logo(name=f"{sha256(data).hexdigest()[:32]}.{kind}", media_type=f"image/{kind}", data=data)
