"""Signed introspection answers (RFC 9701): verified with the issuer's keys, before anything in them is believed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from ...errors import InvalidToken, UnavailableError
from ...issuers.http_issuer import SIGNED
from ...jwt.base64url import parse_segment
from ...jwt.claims import read_audience
from ...jwt.jws import ParsedHeader, Thumbprints, parse_header, parse_segment_object, split
from ...jwt.verify import Candidates, build_refusal, is_signed
from ..settings import GuardSettings

__all__ = ["Keys", "build_introspect", "check_signature", "read_answer"]

#: Of no other kind of JWT (section 5).
_TYPES: Final = frozenset({"token-introspection+jwt"})

Introspect = Callable[[str], Mapping[str, Any]]


class Keys(Protocol):
    """The keys of an issuer."""

    def find(
        self, algorithm: str, kid: str | None, thumbprints: Thumbprints = (), *, issuer: str | None = None
    ) -> tuple[Any, Candidates]: ...
    def find_newer(
        self, seen: Any, algorithm: str, kid: str | None, thumbprints: Thumbprints = (), *, issuer: str | None = None
    ) -> tuple[Any, Candidates] | None: ...


def build_introspect(settings: GuardSettings, keys: Keys, introspect: Introspect) -> Introspect:
    """``introspect``, with answers whose signature was verified if the settings want signed ones."""
    if settings.introspection_signed == "off":
        return introspect
    return lambda raw: read_answer(introspect(raw), settings, keys)


def read_answer(answer: Mapping[str, Any], settings: GuardSettings, keys: Keys) -> Mapping[str, Any]:
    """The answer (RFC 7662 section 2.2) that a signed one contains. One without a signature is returned as it is: whether it may
    come is decided where it was asked for, and an issuer in this process signs nothing.

    :raises UnavailableError: a signed answer is not the issuer's, not for us, or not new. The token is not the cause.
    """
    text = answer.get(SIGNED)
    if not isinstance(text, str):
        return answer
    try:
        return _open(text, settings, keys)
    except InvalidToken as error:
        raise UnavailableError(
            "bad_signed_answer", f"a signed introspection answer: {error.reason}", lasting=True
        ) from None


def check_signature(header: ParsedHeader, keys: Keys, *, message: bytes, signature: bytes, issuer: str) -> None:
    """Check the signature of an answer. After a rotation, the issuer may have another key with the name of the old one.

    :raises InvalidToken: no key of the issuer made it.
    """
    kid, thumbprints = header.kid, header.thumbprints
    seen, found = keys.find(header.algorithm, kid, thumbprints, issuer=issuer)
    if is_signed(message, signature, found):
        return
    newer = keys.find_newer(seen, header.algorithm, kid, thumbprints, issuer=issuer)
    if newer is None or not is_signed(message, signature, newer[1]):
        raise build_refusal(found)


def _open(text: str, settings: GuardSettings, keys: Keys) -> Mapping[str, Any]:
    head, body, tail, message = split(text)
    header = parse_header(head, frozenset(settings.algorithms), _TYPES)
    claims = parse_segment_object(body)
    issuer = _check_issuer(claims.get("iss"), settings)
    check_signature(header, keys, message=message, signature=parse_segment(tail), issuer=issuer)
    if _find_recipients(settings).isdisjoint(read_audience(claims)):
        raise InvalidToken("wrong_audience")
    _check_age(claims.get("iat"), settings)
    found_answer = claims.get("token_introspection")
    if not isinstance(found_answer, dict) or not isinstance(found_answer.get("active"), bool):
        raise InvalidToken("bad_answer")
    if found_answer.get("iss", issuer) not in (issuer, None):
        raise InvalidToken("wrong_issuer")
    return {**found_answer, "iss": issuer}


def _check_issuer(name: object, settings: GuardSettings) -> str:
    """:returns: the issuer that signed. For a template, one of its tenants."""
    template = settings.template
    if isinstance(name, str):
        if template is None or settings.issuer_value is not None:
            is_ours = name == settings.issuer
        else:
            is_ours = template.find_value(name) is not None
        if is_ours:
            return name
    raise InvalidToken("wrong_issuer")


def _find_recipients(settings: GuardSettings) -> frozenset[str]:
    """What issuers call this resource server: the client that asks, or an audience."""
    client = settings.introspection_client_id
    return frozenset({*settings.audience, *([client] if client else [])})


def _check_age(iat: object, settings: GuardSettings) -> None:
    """An answer was made for this call: an old one, that somebody kept, says nothing about now."""
    if isinstance(iat, bool) or not isinstance(iat, int | float):
        raise InvalidToken("bad_time")
    if not abs(time.time() - iat) <= settings.leeway + settings.http_timeout:
        raise InvalidToken("old_answer")
