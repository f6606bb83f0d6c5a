"""Decodes a JWT and checks each part of it for a person to read (RFC 7519, RFC 9068, RFC 8725).

This explains a token; it does not guard an API. An API may decide differently about the same token.
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
from ..jwt.jws import check_type, parse_segment_object, read_thumbprints
from ..jwt.keyset import build_key_set, find_candidates, find_fault
from ..jwt.verify import is_signed
from .errors import CommandError

__all__ = ["Check", "Jwt", "Wanted", "inspect_claims", "inspect_signature", "read_jwt"]

PASS: Final = "pass"  # noqa: S105  # an outcome
FAIL: Final = "fail"
SKIP: Final = "skip"

_TYPES: Final = frozenset({None, "at+jwt", "jwt"})
_LEEWAY_SECONDS: Final = 30.0
_LONGEST_TOKEN_CHARS: Final = 65536
_LONGEST_SECONDS: Final = 1e15


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check of a token.

    :ivar name: the checked part, such as ``"aud"``.
    :ivar outcome: ``"pass"``, ``"fail"``, or ``"skip"`` if there was nothing to compare with.
    :ivar text: what was found.
    """

    name: str
    outcome: str
    text: str


@dataclass(frozen=True, slots=True)
class Jwt:
    """The parts of a compact JWS; nothing in it is verified.

    :ivar signed: the bytes that were signed.
    """

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The values that the claims must have. A claim whose value here is None is not compared."""

    issuer: str | None
    audience: str | None
    scope: str | None


def read_jwt(token: str) -> Jwt:
    """The parts of ``token`` (RFC 7515 section 7.1). :raises CommandError: it is not a JWT."""
    parts = token.split(".")
    if len(parts) == 5:
        raise CommandError(
            USAGE, "the token is encrypted (RFC 7516)", "only the API that it was issued for can read it"
        )
    if len(parts) != 3 or len(token) > _LONGEST_TOKEN_CHARS:
        raise CommandError(USAGE, "the token is not a JWT", "ask the issuer about it: oauthguard introspect")
    header, claims, signature = (part.encode("ascii", "replace") for part in parts)
    try:
        return Jwt(
            parse_segment_object(header), parse_segment_object(claims), header + b"." + claims, parse_segment(signature)
        )
    except InvalidToken as error:
        raise CommandError(USAGE, "the token is not a JWT: a part of it is not JSON in base64url") from error


def inspect_signature(jwt: Jwt, keys: object) -> Check:
    """Whether one of ``keys`` (RFC 7517 section 5), as the issuer published them, made the signature."""
    algorithm = jwt.header.get("alg")
    kid = jwt.header.get("kid")
    if "kid" in jwt.header and not isinstance(kid, str):
        return Check("signature", FAIL, f"not checked: the kid {kid!r} is not text")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        return Check("signature", FAIL, "not checked: the algorithm is not supported")
    kid = kid or None
    issuer = jwt.claims.get("iss")
    named = issuer if isinstance(issuer, str) else None
    known = build_key_set(keys, ALGORITHMS)
    found = find_candidates(known, algorithm, kid, read_thumbprints(jwt.header), issuer=named)
    if not found:
        return Check("signature", FAIL, _explain_no_key(keys, algorithm, kid))
    which = f"the issuer's key {kid!r}" if kid is not None else "a key of the issuer"
    if is_signed(jwt.signed, jwt.signature, found):
        return Check("signature", PASS, f"made by {which}")
    return Check("signature", FAIL, f"not made by {which}: the token was changed, or another issuer made it")


def inspect_claims(jwt: Jwt, wanted: Wanted) -> Iterator[Check]:
    """Check everything that can be checked without a key."""
    yield _inspect_algorithm(jwt.header.get("alg"))
    yield _inspect_type(jwt.header)
    if "crit" in jwt.header:
        yield Check("crit", FAIL, f"requires the extension {jwt.header['crit']!r}, which most APIs do not support")
    yield _inspect_equal("iss", jwt.claims.get("iss"), wanted.issuer)
    yield _inspect_audience(jwt.claims, wanted.audience)
    yield from _inspect_times(jwt.claims)
    yield _inspect_scopes(jwt.claims, wanted.scope)


def find_scopes(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """``scope`` (RFC 9068 section 2.2.3) or ``scp``, as a string or a list."""
    found = claims.get("scope", claims.get("scp", ""))
    if isinstance(found, str):
        return tuple(found.split())
    return tuple(each for each in found if isinstance(each, str)) if isinstance(found, list) else ()


def _explain_no_key(keys: object, algorithm: str, kid: str | None) -> str:
    """Say that no key fits, and what is wrong with the key that the token names, or with any key if the token has no kid."""
    published = [key for key in keys if isinstance(key, Mapping)] if isinstance(keys, list) else []
    named = [key for key in published if kid is None or key.get("kid") == kid]
    fault = next(filter(None, map(find_fault, named)), None)
    name = f"kid {kid!r}" if kid is not None else "no kid"
    text = f"no key of the issuer fits {algorithm} and {name}; keys of the issuer: {len(published)}"
    return text if fault is None else f"{text}; one can't be used: {fault}"


def _inspect_algorithm(algorithm: object) -> Check:
    if isinstance(algorithm, str) and algorithm in ALGORITHMS:
        return Check("alg", PASS, algorithm)
    return Check("alg", FAIL, f"{algorithm!r}; APIs accept only signatures that a private key made")


def _inspect_type(header: Mapping[str, Any]) -> Check:
    kind = header.get("typ")
    try:
        check_type(header, _TYPES)
    except InvalidToken:
        return Check("typ", FAIL, f"{kind!r} is not the type of an access token")
    return Check(
        "typ",
        PASS,
        "absent; RFC 9068 requires at+jwt, but most APIs accept a token without typ" if kind is None else kind,
    )


def _inspect_equal(name: str, found: object, wanted: str | None) -> Check:
    if wanted is None:
        return Check(name, SKIP, f"{found!r}; compare with --issuer")
    if found == wanted:
        return Check(name, PASS, wanted)
    return Check(name, FAIL, f"{found!r} is not {wanted!r}")


def _inspect_audience(claims: Mapping[str, Any], wanted: str | None) -> Check:
    try:
        audience = read_audience(claims)
    except InvalidToken:
        return Check("aud", FAIL, f"{claims['aud']!r} is not an audience")
    if not audience:
        return Check("aud", FAIL, "absent: the token does not say which API it is for")
    words = " ".join(audience)
    if wanted is None:
        return Check("aud", SKIP, f"{words}; compare with --audience")
    return Check("aud", PASS if wanted in audience else FAIL, words if wanted in audience else f"{words}; not {wanted}")


def _inspect_times(claims: Mapping[str, Any]) -> Iterator[Check]:
    now = time.time()
    expiry = _find_time(claims.get("exp"))
    if expiry is None:
        yield Check("exp", FAIL, "absent or not a number: the token would never expire")
    elif expiry + _LEEWAY_SECONDS > now:
        yield Check("exp", PASS, f"{format_duration(expiry - now)} left" if expiry > now else "expires now")
    else:
        yield Check("exp", FAIL, f"expired {format_duration(now - expiry)} ago{_describe_life(claims, expiry)}")
    for name, verb in (("nbf", "became valid"), ("iat", "issued")):
        if name not in claims:
            continue
        moment = _find_time(claims[name])
        if moment is None:
            yield Check(name, FAIL, f"{claims[name]!r} is not a time")
        elif moment - _LEEWAY_SECONDS > now:
            text = f"{format_duration(moment - now)} in the future: is the clock of this machine right?"
            yield Check(name, FAIL, text)
        else:
            yield Check(name, PASS, f"{verb} {format_duration(now - moment)} ago")


def _describe_life(claims: Mapping[str, Any], expiry: float) -> str:
    issued = _find_time(claims.get("iat"))
    return "" if issued is None else f", its lifetime was {format_duration(expiry - issued)}"


def _inspect_scopes(claims: Mapping[str, Any], wanted: str | None) -> Check:
    scopes = find_scopes(claims)
    words = " ".join(scopes) or "none"
    if wanted is None:
        return Check("scope", SKIP, f"{words}; compare with --scope")
    known = frozenset(scopes)
    missing = [scope for scope in wanted.split() if scope not in known]
    return Check("scope", FAIL, f"{words}; missing: {' '.join(missing)}") if missing else Check("scope", PASS, words)


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
