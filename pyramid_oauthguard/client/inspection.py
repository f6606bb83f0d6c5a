"""A JWT taken apart and checked, one statement at a time, for people to read (RFC 7519, RFC 9068, RFC 8725).

Explains; does not guard. What an API decides about a token is its own verifier's business.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ..errors import InvalidToken
from ..exit_status import USAGE
from ..jwt.algorithms import ALGORITHMS
from ..jwt.base64url import parse_segment
from ..jwt.claims import as_time, read_audience
from ..jwt.jws import check_type, parse_segment_object
from ..jwt.keyset import build_key_set, find_fault
from ..jwt.verify import is_signed
from .errors import CommandError

__all__ = ["Check", "Jwt", "Wanted", "check_claims", "check_signature", "read_jwt"]

PASS: Final = "pass"  # noqa: S105  # an outcome
FAIL: Final = "fail"
SKIP: Final = "skip"

#: One token is looked at, for the person who asks: it may cost more than one of many that an API gets.
_MAX_TRIED: Final = 16
_TYPES: Final = frozenset({None, "at+jwt", "jwt"})
_LEEWAY: Final = 30.0
_LARGEST: Final = 65536
_LONGEST_SECONDS: Final = 1e15


@dataclass(frozen=True, slots=True)
class Check:
    """One statement about a token.

    :ivar name: what was looked at.
    :ivar outcome: ``"pass"``, ``"fail"``, or ``"skip"`` where there was nothing to compare it with.
    :ivar text: what was found.
    """

    name: str
    outcome: str
    text: str


@dataclass(frozen=True, slots=True)
class Jwt:
    """The parts of a compact JWS; nothing in it is verified.

    :ivar signed: what the signature is over.
    """

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the claims are compared with; None compares with nothing."""

    issuer: str | None
    audience: str | None
    scope: str | None


def read_jwt(token: str) -> Jwt:
    """The parts of ``token`` (RFC 7515 section 7.1). :raises CommandError: it is no JWT."""
    parts = token.split(".")
    if len(parts) == 5:
        raise CommandError(USAGE, "the token is encrypted (RFC 7516)", "only the API it is for can read it")
    if len(parts) != 3 or len(token) > _LARGEST:
        raise CommandError(USAGE, "the token is no JWT", "ask the issuer about it: oauthguard introspect")
    header, claims, signature = (part.encode("ascii", "replace") for part in parts)
    try:
        return Jwt(
            parse_segment_object(header), parse_segment_object(claims), header + b"." + claims, parse_segment(signature)
        )
    except InvalidToken as error:
        raise CommandError(USAGE, "the token is no JWT: a part of it is not base64url of JSON") from error


def check_signature(jwt: Jwt, keys: object) -> Check:
    """Whether one of ``keys`` (RFC 7517 section 5), as the issuer published them, made the signature."""
    algorithm = jwt.header.get("alg")
    kid = jwt.header.get("kid")
    if "kid" in jwt.header and not isinstance(kid, str):
        return Check("signature", FAIL, f"not looked at: the kid {kid!r} is not text")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        return Check("signature", FAIL, "not looked at: the algorithm is not acceptable")
    found = build_key_set(keys, ALGORITHMS, max_tried=_MAX_TRIED).find(algorithm, kid)
    if not found:
        return Check("signature", FAIL, _explain_no_key(keys, algorithm, kid))
    which = f"the issuer's key {kid!r}" if kid is not None else "a key of the issuer"
    if is_signed(jwt.signed, jwt.signature, found):
        return Check("signature", PASS, f"made by {which}")
    return Check("signature", FAIL, f"not made by {which}: the token was changed, or is another issuer's")


def check_claims(jwt: Jwt, wanted: Wanted) -> Iterator[Check]:
    """The statements that need no key."""
    yield _check_algorithm(jwt.header.get("alg"))
    yield _check_type(jwt.header)
    if "crit" in jwt.header:
        yield Check("crit", FAIL, f"demands {jwt.header['crit']!r}, which hardly any API implements")
    yield _check_equal("iss", jwt.claims.get("iss"), wanted.issuer)
    yield _check_audience(jwt.claims, wanted.audience)
    yield from _read_times(jwt.claims)
    yield _check_scopes(jwt.claims, wanted.scope)


def find_scopes(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """``scope`` (RFC 9068 section 2.2.3) or ``scp``, as a string or a list."""
    found = claims.get("scope", claims.get("scp", ""))
    if isinstance(found, str):
        return tuple(found.split())
    return tuple(each for each in found if isinstance(each, str)) if isinstance(found, list) else ()


def _explain_no_key(keys: object, algorithm: str, kid: str | None) -> str:
    """That none fits, and what is wrong with one that has the name the token gives, or with any where it gives none."""
    published = [key for key in keys if isinstance(key, Mapping)] if isinstance(keys, list) else []
    named = [key for key in published if kid is None or key.get("kid") == kid]
    fault = next(filter(None, map(find_fault, named)), None)
    name = f"kid {kid!r}" if kid is not None else "no kid"
    text = f"none of the issuer's {len(published)} keys fits {algorithm} and {name}"
    return text if fault is None else f"{text}; one can't be used: {fault}"


def _check_algorithm(algorithm: object) -> Check:
    if isinstance(algorithm, str) and algorithm in ALGORITHMS:
        return Check("alg", PASS, algorithm)
    return Check("alg", FAIL, f"{algorithm!r}; APIs accept signatures by a private key only")


def _check_type(header: Mapping[str, Any]) -> Check:
    kind = header.get("typ")
    try:
        check_type(header, _TYPES)
    except InvalidToken:
        return Check("typ", FAIL, f"{kind!r} is not the type of an access token")
    return Check("typ", PASS, "absent; RFC 9068 asks for at+jwt, most APIs do without" if kind is None else kind)


def _check_equal(name: str, found: object, wanted: str | None) -> Check:
    if wanted is None:
        return Check(name, SKIP, f"{found!r}; no issuer was named to compare it with")
    if found == wanted:
        return Check(name, PASS, wanted)
    return Check(name, FAIL, f"{found!r} is not {wanted!r}")


def _check_audience(claims: Mapping[str, Any], wanted: str | None) -> Check:
    try:
        audience = read_audience(claims)
    except InvalidToken:
        return Check("aud", FAIL, f"{claims['aud']!r} is no audience")
    if not audience:
        return Check("aud", FAIL, "absent: the token is for no API in particular")
    words = " ".join(audience)
    if wanted is None:
        return Check("aud", SKIP, f"{words}; compare with --audience")
    return Check("aud", PASS if wanted in audience else FAIL, words if wanted in audience else f"{words}; not {wanted}")


def _read_times(claims: Mapping[str, Any]) -> Iterator[Check]:
    now = time.time()
    expiry = _find_time(claims.get("exp"))
    if expiry is None:
        yield Check("exp", FAIL, "absent or no number: the token would never end")
    elif expiry + _LEEWAY > now:
        yield Check("exp", PASS, f"{format_duration(expiry - now)} left" if expiry > now else "ends this moment")
    else:
        yield Check("exp", FAIL, f"expired {format_duration(now - expiry)} ago{_describe_life(claims, expiry)}")
    for name, verb in (("nbf", "valid"), ("iat", "issued")):
        if name not in claims:
            continue
        moment = _find_time(claims[name])
        if moment is None:
            yield Check(name, FAIL, f"{claims[name]!r} is no time")
        elif moment - _LEEWAY > now:
            yield Check(name, FAIL, f"{verb} only in {format_duration(moment - now)}: is a clock wrong?")
        else:
            yield Check(name, PASS, f"{verb} since {format_duration(now - moment)}")


def _describe_life(claims: Mapping[str, Any], expiry: float) -> str:
    issued = _find_time(claims.get("iat"))
    return "" if issued is None else f", after a life of {format_duration(expiry - issued)}"


def _check_scopes(claims: Mapping[str, Any], wanted: str | None) -> Check:
    scopes = find_scopes(claims)
    words = " ".join(scopes) or "none"
    if wanted is None:
        return Check("scope", SKIP, f"{words}; compare with --scope")
    known = frozenset(scopes)
    missing = [scope for scope in wanted.split() if scope not in known]
    return Check("scope", FAIL, f"{words}; lacks {' '.join(missing)}") if missing else Check("scope", PASS, words)


def _find_time(value: object) -> float | None:
    try:
        return as_time(value)
    except InvalidToken:
        return None


def format_duration(seconds: float) -> str:
    """``seconds`` in the two largest units that are not zero."""
    left = round(min(max(seconds, 0.0), _LONGEST_SECONDS))  # the difference of two numbers may be infinite
    parts = []
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"
