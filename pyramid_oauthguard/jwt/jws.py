"""A compact JWS taken apart, strictly (RFC 7515 section 7.1; RFC 7519 section 7.2), before any key is looked for."""

from __future__ import annotations

import functools
import re
from base64 import urlsafe_b64decode
from binascii import a2b_base64
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..errors import InvalidToken
from ..strict_json import parse_object
from .base64url import parse_segment

__all__ = [
    "MAX_TOKEN_CHARACTERS",
    "ParsedHeader",
    "Thumbprints",
    "check_type",
    "find_claims",
    "guess_issuer",
    "looks_like_jwt",
    "parse_header",
    "parse_segment_object",
    "read_thumbprints",
    "split",
]

#: Real headers are much shorter. A longer one is refused before it is decoded. In bytes of base64url.
MAX_HEADER_BYTES: Final = 16_384
#: A token of more characters than any web server takes in a header by default.
MAX_TOKEN_CHARACTERS: Final = 262_144

_DOTS: Final = 2
_NO_BASE64URL: Final = re.compile("[^A-Za-z0-9_-]")
#: The claim ``iss`` in the text of the claims, without an escape.
_ISSUER_FIRST: Final = "eyJpc3MiOiJ"  # {"iss":"
_ISSUER_START: Final = 8
#: So many characters of a token hold the issuer of most of them; to decode as many as the longest takes would cost twice as much.
_FEW_CHARACTERS: Final = 128
_MAX_ISSUER_CHARACTERS: Final = 512
_TO_BASE64: Final = bytes.maketrans(b"-_", b"+/")
_ISSUER: Final = re.compile(rb'"iss"\s*:\s*"([^"\\]+)"')

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


def find_claims(raw: str) -> dict[str, Any] | None:
    """The claims of a token that is a JWT in every character, NOT verified; None for any other token, which is opaque.

    :raises InvalidToken: it is too long to be looked at.
    """
    if raw.count(".") != _DOTS or "" in raw.split("."):
        return None
    head, body, tail, _signed = split(raw)
    if len(head) > MAX_HEADER_BYTES:
        raise InvalidToken("header_too_long")
    try:
        parse_segment(tail)
        return parse_segment_object(body) if _is_object(head) else None
    except InvalidToken:
        return None


def guess_issuer(raw: str) -> str:
    """What ``iss`` of a JWT probably is, found without parsing its claims; empty where that is not sure enough.

    NOT checked: that it is a JWT, and that this is a claim of it. Who verifies the token compares its claim.
    """
    start = raw.find(".") + 1
    end = raw.find(".", start)
    if not 0 < start < end or not raw.isascii() or len(raw) > MAX_TOKEN_CHARACTERS:
        return ""
    if raw.startswith(_ISSUER_FIRST, start):  # a second one of the same name would be refused
        return _read_first(raw, start, end)
    claims = _decode(raw[start:end])
    found = _ISSUER.search(claims)
    return "" if found is None or claims.count(b'"iss"') != 1 else found[1].decode("ascii", "replace")


def _read_first(raw: str, start: int, end: int) -> str:
    """The value of ``iss``, the first of the claims. With an escape in it, it is not the name of an issuer.

    The letters ``-`` and ``_`` are passed over at first: only a few characters have them in their encoding, and a name with
    one of these is not found, which is right, too.
    """
    try:
        claims = a2b_base64(raw[start : start + (min(end - start, _FEW_CHARACTERS) & -4)])
    except ValueError:
        return ""
    close = claims.find(b'"', _ISSUER_START)
    if close < 0:
        claims = _decode(raw[start : min(end, start + _MAX_ISSUER_CHARACTERS)])
        close = claims.find(b'"', _ISSUER_START)
    return claims[_ISSUER_START:close].decode("utf-8", "replace") if close > 0 else ""


def _decode(segment: str) -> bytes:
    """What ``segment`` spells, without a check of the spelling; a few bytes at its end may be missing."""
    try:
        return a2b_base64(segment[: len(segment) & -4].encode().translate(_TO_BASE64))
    except ValueError:
        return b""


@functools.lru_cache(maxsize=256)
def _is_object(segment: bytes) -> bool:
    """Headers repeat: all tokens signed by one key share theirs."""
    try:
        parse_segment_object(segment)
    except InvalidToken:
        return False
    return True
