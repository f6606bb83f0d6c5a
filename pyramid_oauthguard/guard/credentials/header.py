"""The token in the Authorization header, the usual place (RFC 6750 section 2.1)."""

from __future__ import annotations

import functools
import re
from typing import Final

from pyramid.request import Request

from ...errors import InvalidRequest
from ...interfaces import Credential
from ..request_facts import read_facts

__all__ = ["describe_unread", "find", "find_fault", "is_present", "is_token68"]

#: b64token of RFC 6750 section 2.1, which is token68 of RFC 9110 section 11.2.
_TOKEN68: Final = re.compile(r"[A-Za-z0-9\-._~+/]+=*").fullmatch
#: Schemes in use, and whether people send access tokens with them.
_OTHER_SCHEMES: Final = {
    **dict.fromkeys(("basic", "digest", "negotiate", "ntlm", "hoba", "mutual", "vapid", "aws4-hmac-sha256"), False),
    **dict.fromkeys(("token", "jwt", "dpop", "oauth", "mac", "gnap", "apikey", "api-key", "access_token", "key"), True),
}
_ALPHABET: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/")
#: The scheme, at the start or in a second header that the WSGI server joined to the first with a comma. There a space
#: must follow, which none does in the address that a browser writes into a Digest header.
_BEARER: Final = re.compile(r"^\s*bearer(?=[\s,]|$)|,\s*bearer\s", re.IGNORECASE).search


def is_token68(text: object) -> bool:
    """Whether the grammar of bearer tokens allows ``text``, which may be anything."""
    return isinstance(text, str) and _TOKEN68(text) is not None


def is_present(request: Request) -> bool:
    """Whether the request brings bearer credentials, well-formed or not."""
    header: str | None = request.environ.get("HTTP_AUTHORIZATION")
    return header is not None and _BEARER(header) is not None


def find(request: Request) -> Credential | None:
    """The bearer token of the request, None without one. Another scheme counts as no credentials.

    :raises InvalidRequest: more than one credential, an empty one, or one outside the token68 grammar.
    """
    header: str | None = request.environ.get("HTTP_AUTHORIZATION")
    if header is None:
        return None
    if header[:7].lower() == "bearer ":
        token = header[7:].strip(" ")
        if _TOKEN68(token):
            return Credential("Bearer", token, "header", functools.partial(read_facts, request))
        raise InvalidRequest("malformed_header")
    if not header.strip() or is_present(request):
        raise InvalidRequest("malformed_header")
    return None


def describe_unread(header: str) -> tuple[str, bool]:
    """What an Authorization header has instead of a bearer token, for the log, and whether a token was meant.

    Only the name of a scheme that is known is shown: what stands in its place may be the token itself.
    """
    scheme, blank, _rest = header.strip().partition(" ")
    name = scheme.lower()
    if blank and name in _OTHER_SCHEMES:
        return f"the scheme {name}", _OTHER_SCHEMES[name]
    return ("a scheme that is not known" if blank else "no scheme"), True


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
