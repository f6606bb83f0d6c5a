"""The token out of the Authorization header, the only place it is read from (RFC 6750 section 2.1)."""

from __future__ import annotations

import re
from typing import Any, Final

from ..errors import InvalidRequest

__all__ = ["extract", "find_fault", "is_bearer"]

#: b64token of RFC 6750 section 2.1, which is token68 of RFC 9110 section 11.2.
_TOKEN68: Final = re.compile(r"[A-Za-z0-9\-._~+/]+=*").fullmatch
_ALPHABET: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/")
#: The scheme, at the start or in a second header that the WSGI server joined to the first with a comma. There a space
#: must follow, which none does in the address that a browser writes into a Digest header.
_BEARER: Final = re.compile(r"^\s*bearer(?=[\s,]|$)|,\s*bearer\s", re.IGNORECASE).search


def is_bearer(request: Any) -> bool:
    """Whether the request brings bearer credentials, well-formed or not."""
    header: str | None = request.environ.get("HTTP_AUTHORIZATION")
    return header is not None and _BEARER(header) is not None


def extract(request: Any) -> str | None:
    """The bearer token of the request, None without one.

    Another scheme counts as no credentials. Says nothing about the token's validity.

    :raises InvalidRequest: more than one credential, an empty one, or one outside the token68 grammar.
    """
    header: str | None = request.environ.get("HTTP_AUTHORIZATION")
    if header is None:
        return None
    if header[:7].lower() == "bearer ":
        token = header[7:].strip(" ")
        if _TOKEN68(token):
            return token
        raise InvalidRequest("malformed_header")
    if not header.strip() or is_bearer(request):
        raise InvalidRequest("malformed_header")
    return None


def find_fault(raw: str) -> str | None:
    """Why no Authorization header can carry ``raw``, for a person; None where one can. Shows one character of it."""
    if _TOKEN68(raw):
        return None
    end = len(raw.rstrip("="))
    position = next((number for number, char in enumerate(raw[:end]) if char not in _ALPHABET), None)
    if position is None:
        return "the Authorization header can't carry it: nothing stands before its equals signs"
    return (
        f"the Authorization header can't carry it: {raw[position]!r} at position {position + 1} is not one of letters, "
        "digits, - . _ ~ + / and, at the end, = (RFC 6750 section 2.1)"
    )
