"""A compact JWS taken apart, strictly (RFC 7515 section 7.1; RFC 7519 section 7.2), before any key is looked for."""

from __future__ import annotations

import functools
import re
from base64 import urlsafe_b64decode
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..errors import InvalidToken
from ..strict_json import parse_object
from .base64url import parse_segment

__all__ = [
    "MAX_TOKEN_CHARACTERS",
    "Jwt",
    "ParsedHeader",
    "Thumbprints",
    "check_type",
    "find_jwt",
    "looks_like_jwt",
    "parse_header",
    "parse_jwt",
    "parse_segment_object",
    "read_thumbprints",
    "split",
]

#: Real headers are much shorter. A longer one is refused before it is decoded. In bytes of base64url.
MAX_HEADER_BYTES: Final = 16_384
#: A token of more characters than any web server takes in a header by default.
MAX_TOKEN_CHARACTERS: Final = 262_144

_NO_BASE64URL: Final = re.compile("[^A-Za-z0-9_-]")

#: A JWT taken apart: the very token, the segment of its header, what is signed, the signature, the claims. NOT verified: until its
#: signature was found good, the claims only say who has to verify it. A plain tuple, as one is made for each new token.
Jwt = tuple[str, bytes, bytes, bytes, dict[str, Any]]
Types = frozenset[str | None]
Thumbprints = tuple[tuple[str, str], ...]
_THUMBPRINTS: Final = frozenset({"x5t", "x5t#S256"})


@dataclass(frozen=True, slots=True)
class ParsedHeader:
    """What the checks of a header leave: the algorithm and what it says about the key.

    :ivar kid: the key's name; None where there is none, or an empty one.
    :ivar thumbprints: names and values of ``x5t`` and ``x5t#S256`` (RFC 7515 sections 4.1.7 and 4.1.8). Not checked: they only
        say which key to try.
    """

    algorithm: str
    kid: str | None
    thumbprints: Thumbprints = ()


def split(raw: str) -> tuple[bytes, bytes, bytes, bytes]:
    """Header, claims and signature of a compact JWS (RFC 7515 section 7.1), each there and not empty; what is signed.

    :raises InvalidToken: ``raw`` has another shape.
    """
    if len(raw) > MAX_TOKEN_CHARACTERS:
        raise InvalidToken("too_long")
    data = raw.encode("ascii", "replace")  # other characters become ?, which is not base64url
    parts = data.split(b".", 3)
    if len(parts) != 3 or b"" in parts:
        raise InvalidToken("not_a_jwt")
    head, body, tail = parts
    return head, body, tail, data[: -len(tail) - 1]


def parse_header(segment: bytes, algorithms: Collection[str], types: Types) -> ParsedHeader:
    """Decode and judge a JOSE header (RFC 7515 section 4.1).

    Key material and addresses in it (jwk, jku, x5u, x5c) are not looked at; unknown members are ignored
    unless ``crit`` names them, and since no extension is implemented any ``crit`` is a refusal.

    :param types: the kinds of token that may be here; see :func:`check_type`.

    :raises InvalidToken: with the first reason found.
    """
    if len(segment) > MAX_HEADER_BYTES:
        raise InvalidToken("header_too_long")
    header = parse_segment_object(segment)
    algorithm = header.get("alg")
    if type(algorithm) is not str or algorithm not in algorithms:
        raise InvalidToken("bad_algorithm")
    if "crit" in header or "b64" in header:
        raise InvalidToken("unknown_critical")  # RFC 7515 section 4.1.11; RFC 7797 section 6
    if "enc" in header:
        raise InvalidToken("encrypted")  # RFC 7516 section 9
    check_type(header, types)
    kid = header.get("kid")
    if "kid" in header and type(kid) is not str:
        raise InvalidToken("bad_kid")
    thumbprints = () if _THUMBPRINTS.isdisjoint(header) else read_thumbprints(header)
    return ParsedHeader(algorithm, kid or None, thumbprints)


def read_thumbprints(header: Mapping[str, Any]) -> Thumbprints:
    """What a header says about the certificate of the key. What is not text says nothing."""
    found = ((name, header.get(name)) for name in sorted(_THUMBPRINTS, reverse=True))  # the one with SHA-256 first
    return tuple((name, value) for name, value in found if isinstance(value, str) and value)


def check_type(header: Mapping[str, Any], types: Types) -> None:
    """RFC 8725 section 3.11: a token of one kind is not taken for one of another.

    :param types: accepted values of ``typ`` in lower case and without ``application/``; None if it may be absent.
    :raises InvalidToken: ``typ`` is not one of them.
    """
    kind = header.get("typ")
    if kind is not None or "typ" in header:
        if type(kind) is not str or not kind.isascii():
            raise InvalidToken("wrong_type")
        kind = kind.lower().removeprefix("application/")
    if kind not in types:
        raise InvalidToken("wrong_type")


def parse_segment_object(segment: bytes) -> dict[str, Any]:
    """A segment that holds a JSON object. :raises InvalidToken: it doesn't."""
    try:
        return parse_object(parse_segment(segment))
    except ValueError:
        raise InvalidToken("bad_json") from None


def looks_like_jwt(raw: str) -> bool:
    """Whether a token has three parts of which the first one is meant as a JSON object, well or badly encoded. An opaque token
    may have two dots, too.
    """
    head, _, rest = raw.partition(".")
    if rest.count(".") != 1:
        return False
    if len(head) > MAX_HEADER_BYTES:
        return True
    letters = _NO_BASE64URL.sub("", head)
    whole = letters[:-1] if len(letters) % 4 == 1 else letters
    return urlsafe_b64decode(whole + "=" * (-len(whole) % 4)).lstrip().startswith(b"{")


def parse_jwt(raw: str) -> Jwt:
    """A token that is a JWT in every character. NOT checked: its signature, and what its header and its claims say.

    :raises InvalidToken: it is not such a token; the reason says why.
    """
    head, body, tail, message = split(raw)
    if len(head) > MAX_HEADER_BYTES:
        raise InvalidToken("header_too_long")
    if not _is_object(head):
        raise InvalidToken("bad_json")
    return raw, head, message, parse_segment(tail), parse_segment_object(body)


def find_jwt(raw: str) -> Jwt | None:
    """Like :func:`parse_jwt`; None for any other token, which is opaque."""
    try:
        return parse_jwt(raw)
    except InvalidToken:
        return None


@functools.lru_cache(maxsize=256)
def _is_object(segment: bytes) -> bool:
    """Headers repeat: all tokens signed by one key share theirs."""
    try:
        parse_segment_object(segment)
    except InvalidToken:
        return False
    return True
