"""A compact JWS taken apart, strictly (RFC 7515 section 7.1; RFC 7519 section 7.2), before any key is looked for."""

from __future__ import annotations

from binascii import a2b_base64
from dataclasses import dataclass
from typing import Any, Final

from ..errors import InvalidToken
from ..strict_json import parse_object

__all__ = ["ParsedHeader", "parse_header", "parse_segment", "parse_segment_object"]

#: Nobody's header is this long; refused before it is decoded. In bytes of base64url.
MAX_HEADER: Final = 16_384
#: A token of more characters than any web server takes in a header by default.
MAX_TOKEN: Final = 262_144
#: To the alphabet that the decoder knows; what is not in base64url becomes what is in neither.
_TO_BASE64: Final = bytes.maketrans(b"-_+/=", b"+/***")
#: By the length modulo four; no encoding has a remainder of one.
_PADDING: Final = (b"", b"*", b"==", b"=")
_LAST: Final = (b"", b"", b"AQgw", b"AEIMQUYcgkosw048")
_JWT_TYPES: Final = frozenset({None, "jwt", "at+jwt"})


@dataclass(frozen=True, slots=True)
class ParsedHeader:
    """What the checks of a header leave: the algorithm and the key's name."""

    algorithm: str
    kid: str | None


def parse_header(segment: bytes, algorithms: frozenset[str], profile: str) -> ParsedHeader:
    """Decode and judge a JOSE header (RFC 7515 section 4.1).

    Key material and addresses in it (jwk, jku, x5u, x5c) are not looked at; unknown members are ignored
    unless ``crit`` names them, and since no extension is implemented any ``crit`` is a refusal.

    :raises InvalidToken: with the first reason found.
    """
    if len(segment) > MAX_HEADER:
        raise InvalidToken("header_too_long")
    header = parse_segment_object(segment)
    algorithm = header.get("alg")
    if type(algorithm) is not str or algorithm not in algorithms:
        raise InvalidToken("bad_algorithm")
    if "crit" in header or "b64" in header:
        raise InvalidToken("unknown_critical")  # RFC 7515 section 4.1.11; RFC 7797 section 6
    if "enc" in header:
        raise InvalidToken("encrypted")  # RFC 7516 section 9
    _check_type(header, profile)
    kid = header.get("kid")
    if "kid" in header and type(kid) is not str:
        raise InvalidToken("bad_kid")
    return ParsedHeader(algorithm, kid)


def _check_type(header: dict[str, Any], profile: str) -> None:
    """RFC 8725 section 3.11 and RFC 9068 section 4: an ID token or a proof is not an access token."""
    kind = header.get("typ")
    if kind is not None or "typ" in header:
        if type(kind) is not str or not kind.isascii():
            raise InvalidToken("wrong_type")
        kind = kind.lower().removeprefix("application/")
    if kind not in _JWT_TYPES or (profile == "rfc9068" and kind != "at+jwt"):
        raise InvalidToken("wrong_type")


def parse_segment(segment: bytes) -> bytes:
    """Base64url without padding, in its one canonical spelling (RFC 4648 sections 3.5 and 5)."""
    surplus = len(segment) & 3
    try:
        data = a2b_base64(segment.translate(_TO_BASE64) + _PADDING[surplus], strict_mode=True)
    except ValueError:  # binascii.Error is one
        raise InvalidToken("bad_encoding") from None
    if surplus and segment[-1] not in _LAST[surplus]:
        raise InvalidToken("bad_encoding")  # the unused bits of the last character are not zero
    return data


def parse_segment_object(segment: bytes) -> dict[str, Any]:
    """A segment that holds a JSON object. :raises InvalidToken: it doesn't."""
    try:
        return parse_object(parse_segment(segment))
    except ValueError:
        raise InvalidToken("bad_json") from None
