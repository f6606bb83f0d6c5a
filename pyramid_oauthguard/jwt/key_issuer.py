"""Which issuer a key belongs to, where one document has the keys of several issuers."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["PLACEHOLDER", "cut_value", "fits_issuer", "is_value"]

#: What may stand for a placeholder. No character in it has a meaning in a URL.
_VALUE: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")


def is_value(text: object) -> bool:
    """Whether ``text`` may stand for a placeholder."""
    return isinstance(text, str) and _VALUE.fullmatch(text) is not None


def cut_value(text: str, before: str, after: str) -> str | None:
    """What stands between ``before`` and ``after``, or None where no value does."""
    if not (text.startswith(before) and text.endswith(after)):
        return None
    value = text[len(before) : len(text) - len(after)]
    return value if is_value(value) else None


def fits_issuer(member: str, issuer: str) -> bool:
    """Whether a key whose member ``issuer`` is ``member`` may verify a token of ``issuer``.

    Entra ID has this member in each key, also with a placeholder for the tenant.
    """
    if PLACEHOLDER.search(member) is None:
        return member == issuer
    before, _, after = PLACEHOLDER.sub("\0", member, count=1).partition("\0")
    return cut_value(issuer, before, after) is not None
