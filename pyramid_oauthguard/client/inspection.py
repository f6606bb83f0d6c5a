"""A JWT taken apart and checked, one statement at a time, for people to read (RFC 7519, RFC 9068, RFC 8725).

Explains; does not guard. What an API decides about a token is its own verifier's business.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry
from joserfc.util import urlsafe_b64decode

from ..exit_status import USAGE
from ..jwt.key_strength import check_strength
from ..strict_json import parse_object
from .errors import CommandError

__all__ = ["Check", "Jwt", "Wanted", "check_claims", "check_signature", "read_jwt"]

PASS: Final = "pass"  # noqa: S105  # an outcome
FAIL: Final = "fail"
SKIP: Final = "skip"

_KEY_TYPES: Final[Mapping[str, Any]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
_ALGORITHMS: Final = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), "RSA"),
    **dict.fromkeys(("ES256", "ES384", "ES512"), "EC"),
    **dict.fromkeys(("EdDSA", "Ed25519"), "OKP"),
}
_SAME_ALGORITHM: Final = (["EdDSA", "Ed25519"], ["Ed25519", "EdDSA"])
_MOST_SIGNATURES: Final = 16
_TYPES: Final = frozenset({"at+jwt", "jwt"})
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
    try:
        header, claims, signature = (urlsafe_b64decode(part.encode("ascii")) for part in parts)
        return Jwt(parse_object(header), parse_object(claims), ".".join(parts[:2]).encode(), signature)
    except ValueError as error:  # binascii's and Unicode's are among them
        raise CommandError(USAGE, "the token is no JWT: a part of it is not base64url of JSON") from error


def check_signature(jwt: Jwt, keys: object) -> Check:
    """Whether one of ``keys`` (RFC 7517 section 5), as the issuer published them, made the signature."""
    algorithm = jwt.header.get("alg")
    kid = jwt.header.get("kid")
    if "kid" in jwt.header and not isinstance(kid, str):
        return Check("signature", FAIL, f"not looked at: the kid {kid!r} is not text")
    if not isinstance(algorithm, str) or algorithm not in _ALGORITHMS:
        return Check("signature", FAIL, "not looked at: the algorithm is not acceptable")
    published = [key for key in keys if isinstance(key, Mapping)] if isinstance(keys, list) else []
    fitting = [key for key in published if _fits(key, algorithm, kid)]
    if not fitting:
        name = f"kid {kid!r}" if kid is not None else "no kid"
        return Check("signature", FAIL, f"none of the issuer's {len(published)} keys fits {algorithm} and {name}")
    which = f"the issuer's key {kid!r}" if kid is not None else "a key of the issuer"
    usable = list(islice(filter(None, map(_import_key, fitting)), _MOST_SIGNATURES))
    if not usable:
        return Check(
            "signature", FAIL, f"{which} can't be used: it is malformed, too weak, or of a curve that is not supported"
        )
    if any(_verifies(jwt, key, algorithm) for key in usable):
        return Check("signature", PASS, f"made by {which}")
    return Check("signature", FAIL, f"not made by {which}: the token was changed, or is another issuer's")


def check_claims(jwt: Jwt, wanted: Wanted) -> Iterator[Check]:
    """The statements that need no key."""
    yield _check_algorithm(jwt.header.get("alg"))
    yield _check_type(jwt.header)
    if "crit" in jwt.header:
        yield Check("crit", FAIL, f"demands {jwt.header['crit']!r}, which hardly any API implements")
    yield _check_equal("iss", jwt.claims.get("iss"), wanted.issuer)
    yield _check_audience(jwt.claims.get("aud"), wanted.audience)
    yield from _check_times(jwt.claims)
    yield _check_scopes(jwt.claims, wanted.scope)


def find_scopes(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """``scope`` (RFC 9068 section 2.2.3) or ``scp``, as a string or a list."""
    found = claims.get("scope", claims.get("scp", ""))
    if isinstance(found, str):
        return tuple(found.split())
    return tuple(each for each in found if isinstance(each, str)) if isinstance(found, list) else ()


def _fits(key: Mapping[str, Any], algorithm: str, kid: object) -> bool:
    named = key.get("alg") in (None, algorithm) or [key.get("alg"), algorithm] in _SAME_ALGORITHM
    if not isinstance(key.get("kid", ""), str):
        return False
    same_name = kid is None or key.get("kid", kid) == kid
    return key.get("kty") == _ALGORITHMS[algorithm] and named and same_name and key.get("use", "sig") == "sig"


def _import_key(published: Mapping[str, Any]) -> Any:
    """The key, or None: whatever is wrong with one key, the others still count."""
    # Only the public members: an odd extra one must not cost the key.
    members = {name: published[name] for name in ("kty", "n", "e", "crv", "x", "y") if name in published}
    try:
        key = _KEY_TYPES[members["kty"]].import_key(members)
        check_strength(key.public_key)
    except Exception:  # noqa: BLE001  # joserfc and OpenSSL raise many kinds, KeyError for an unknown curve among them
        return None
    return key


def _verifies(jwt: Jwt, key: Any, algorithm: str) -> bool:
    try:
        return bool(JWSRegistry.algorithms[algorithm].verify(jwt.signed, jwt.signature, key))
    except Exception:  # noqa: BLE001  # a key or a signature of an impossible shape
        return False


def _check_algorithm(algorithm: object) -> Check:
    if isinstance(algorithm, str) and algorithm in _ALGORITHMS:
        return Check("alg", PASS, algorithm)
    return Check("alg", FAIL, f"{algorithm!r}; APIs accept signatures by a private key only")


def _check_type(header: Mapping[str, Any]) -> Check:
    kind = header.get("typ")
    if kind is None:
        return Check("typ", PASS, "absent; RFC 9068 asks for at+jwt, most APIs do without")
    if isinstance(kind, str) and kind.lower().removeprefix("application/") in _TYPES:
        return Check("typ", PASS, kind)
    return Check("typ", FAIL, f"{kind!r} is not the type of an access token")


def _check_equal(name: str, found: object, wanted: str | None) -> Check:
    if wanted is None:
        return Check(name, SKIP, f"{found!r}; no issuer was named to compare it with")
    if found == wanted:
        return Check(name, PASS, wanted)
    return Check(name, FAIL, f"{found!r} is not {wanted!r}")


def _check_audience(found: object, wanted: str | None) -> Check:
    audience = [found] if isinstance(found, str) else found
    if not isinstance(audience, list) or not all(isinstance(each, str) for each in audience) or not audience:
        return Check(
            "aud",
            FAIL,
            "absent: the token is for no API in particular" if found is None else f"{found!r} is no audience",
        )
    words = " ".join(audience)
    if wanted is None:
        return Check("aud", SKIP, f"{words}; compare with --audience")
    return Check("aud", PASS if wanted in audience else FAIL, words if wanted in audience else f"{words}; not {wanted}")


def _check_times(claims: Mapping[str, Any]) -> Iterator[Check]:
    now = time.time()
    expiry = _as_time(claims.get("exp"))
    if expiry is None:
        yield Check("exp", FAIL, "absent or no number: the token would never end")
    elif expiry + _LEEWAY > now:
        yield Check("exp", PASS, f"{format_duration(expiry - now)} left" if expiry > now else "ends this moment")
    else:
        yield Check("exp", FAIL, f"expired {format_duration(now - expiry)} ago{_describe_life(claims, expiry)}")
    for name, verb in (("nbf", "valid"), ("iat", "issued")):
        if name not in claims:
            continue
        moment = _as_time(claims[name])
        if moment is None:
            yield Check(name, FAIL, f"{claims[name]!r} is no time")
        elif moment - _LEEWAY > now:
            yield Check(name, FAIL, f"{verb} only in {format_duration(moment - now)}: is a clock wrong?")
        else:
            yield Check(name, PASS, f"{verb} since {format_duration(now - moment)}")


def _describe_life(claims: Mapping[str, Any], expiry: float) -> str:
    issued = _as_time(claims.get("iat"))
    return "" if issued is None else f", after a life of {format_duration(expiry - issued)}"


def _check_scopes(claims: Mapping[str, Any], wanted: str | None) -> Check:
    scopes = find_scopes(claims)
    words = " ".join(scopes) or "none"
    if wanted is None:
        return Check("scope", SKIP, f"{words}; compare with --scope")
    known = frozenset(scopes)
    missing = [scope for scope in wanted.split() if scope not in known]
    return Check("scope", FAIL, f"{words}; lacks {' '.join(missing)}") if missing else Check("scope", PASS, words)


def _as_time(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        moment = float(value)
    except OverflowError:
        return None
    return moment if math.isfinite(moment) else None


def format_duration(seconds: float) -> str:
    """``seconds`` in the two largest units that are not zero."""
    left = round(min(max(seconds, 0.0), _LONGEST_SECONDS))  # the difference of two numbers may be infinite
    parts = []
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"
