"""JWTs that only their issuer can judge: what is read from them before and after it was asked (``introspection.judges``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ...errors import InvalidToken, OAuthGuardError
from ...jwt.base64url import parse_segment
from ...jwt.claims import is_time
from ...jwt.jws import parse_header, parse_segment_object, split
from ...jwt.token_kind import check_kind
from ..settings import GuardSettings
from .access_tokens import HEADER_TYPES

__all__ = ["Unverified", "is_for_issuer", "read_unverified"]

#: With a shared secret, which no key set contains.
_SHARED: Final = frozenset({"HS256", "HS384", "HS512"})
#: Why the local check found no key: the issuer publishes none that fits, or none at all.
_KEYLESS: Final = frozenset({"unknown_key", "no_usable_keys", "no_endpoint"})


@dataclass(frozen=True, slots=True)
class Unverified:
    """What such a token says. Nothing of it is taken over; it must not contradict the issuer's answer.

    :ivar claims: its claims, not verified.
    :ivar compared: the members that must be equal in the answer.
    """

    claims: Mapping[str, Any]
    compared: tuple[str, ...]

    def check(self, answer: Mapping[str, Any], settings: GuardSettings) -> None:
        """:raises InvalidToken: the answer is about another token. ``exp`` may differ by the leeway."""
        if _differs_in_time(self.claims, answer, settings.leeway):
            raise InvalidToken("other_token")
        for name in self.compared:
            if name in self.claims and self.claims[name] != answer.get(name):
                raise InvalidToken("other_token")


def is_for_issuer(error: OAuthGuardError, raw: str) -> bool:
    """Whether the local check refused ``raw`` only because no key can verify it."""
    if error.reason == "bad_algorithm":
        algorithm = _find_algorithm(raw)
        return isinstance(algorithm, str) and algorithm in _SHARED
    return error.reason in _KEYLESS


def read_unverified(raw: str, settings: GuardSettings, *, now: float) -> Unverified:
    """What the token says, if it may be shown to the issuer.

    :raises InvalidToken: it is of another issuer or another kind, bound, or expired.
    """
    head, body, tail, _signed = split(raw)
    parse_segment(tail)
    header = parse_header(head, {*settings.algorithms, *_SHARED}, HEADER_TYPES[settings.profile])
    claims = parse_segment_object(body)
    if claims.get("iss", settings.issuer) != settings.issuer:
        raise InvalidToken("wrong_issuer")
    if "cnf" in claims:
        raise InvalidToken("bound_token")
    check_kind(claims)
    exp = claims.get("exp")
    if isinstance(exp, int | float) and exp <= now - settings.leeway:
        raise InvalidToken("expired")
    # Where the key is not published, issuers name the user in the answer in another way than in the token.
    return Unverified(claims, ("jti", "sub") if header.algorithm in _SHARED else ("jti",))


def _find_algorithm(raw: str) -> object:
    try:
        return parse_segment_object(split(raw)[0]).get("alg")
    except InvalidToken:
        return None


def _differs_in_time(claims: Mapping[str, Any], answer: Mapping[str, Any], leeway: float) -> bool:
    if "exp" not in claims or "exp" not in answer:
        return "exp" in claims
    ours, theirs = claims["exp"], answer["exp"]
    if not (is_time(ours) and is_time(theirs)):
        return True
    return not abs(ours - theirs) <= leeway
