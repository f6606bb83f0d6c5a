"""A client proves with a signature who it is: private_key_jwt (RFC 7523 sections 2.2 and 3).

Whatever is wrong with an assertion is one refusal to the client; the log says which rule it broke.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from joserfc import jws
from joserfc.errors import JoseError

from ...strict_json import parse_object
from ..store.records import Client
from .keys import ALGORITHMS, list_fitting

__all__ = ["ASSERTION_TYPE", "Assertion", "RefusedError", "check_assertion", "read_assertion"]

log = logging.getLogger("pyramid_oauthguard.server")
ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LEEWAY: Final = 30.0
MAX_LIFE: Final = 3600.0  # for as long an accepted one has to be remembered
_MAX_ID: Final = 255
_TYPES: Final = frozenset({"jwt", "client-authentication+jwt"})  # no access token, nor any other kind, is one of these


class RefusedError(Exception):
    """An assertion that proves nothing; ``reason`` is a fixed phrase for the log."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Assertion:
    """What an assertion says, unproven until :func:`check_assertion`."""

    text: str
    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    client_id: str


def read_assertion(text: str) -> Assertion:
    """The assertion in ``text``; its signature is NOT checked.

    :raises RefusedError: not a JWT, or not by the client about itself (RFC 7523 section 3).
    """
    try:
        found = jws.extract_compact(text.encode())
        header, claims = found.headers(), parse_object(found.payload)
    except Exception as error:  # what joserfc raises at a hostile header is not all of one kind
        raise RefusedError("not a JWT") from error
    client_id = claims.get("sub")
    if not isinstance(client_id, str) or not client_id or claims.get("iss") != client_id:
        raise RefusedError("iss and sub are not the client_id")
    return Assertion(text, header, claims, client_id)


def check_assertion(
    assertion: Assertion, client: Client, *, audiences: Collection[str], now: float
) -> tuple[str, float]:
    """Whether the client signed this, for us and for now.

    NOT checked: that it wasn't used before.

    :param audiences: how a client may call us; it has to use exactly one of these.
    :returns: its ``jti`` and when it expires at the latest.
    :raises RefusedError: otherwise.
    """
    _check_header(assertion.header)
    if not _is_signed(assertion, client):
        raise RefusedError("no key of the client made the signature")
    return _check_claims(assertion.claims, audiences, now)


def _check_header(header: Mapping[str, Any]) -> None:
    if header.get("alg") not in ALGORITHMS:
        raise RefusedError("the algorithm is not allowed")
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in _TYPES:
        raise RefusedError("typ is of something else")
    if "crit" in header or not isinstance(header.get("kid", ""), str):
        raise RefusedError("the header is not understood")


def _is_signed(assertion: Assertion, client: Client) -> bool:
    algorithm, kid = assertion.header["alg"], assertion.header.get("kid")
    keys = [] if client.jwks is None else list_fitting(client.jwks, kid, algorithm)
    return any(_verifies(assertion.text, key) for key in keys)


def _verifies(text: str, key: Any) -> bool:
    try:
        jws.deserialize_compact(text, key, registry=_REGISTRY)
    except (JoseError, ValueError, TypeError):
        return False
    return True


def _check_claims(claims: Mapping[str, Any], audiences: Collection[str], now: float) -> tuple[str, float]:
    audience = claims.get("aud")
    if isinstance(audience, list) and len(audience) == 1:
        audience = audience[0]
    # More than one, and a server that we don't know could use it here.
    if not isinstance(audience, str) or audience not in audiences:
        raise RefusedError("aud is not this server alone")
    expires_at = _read_time(claims, "exp")
    if expires_at is None or not now - LEEWAY < expires_at <= now + MAX_LIFE + LEEWAY:
        raise RefusedError("exp is missing, past, or too far away")
    if any((_read_time(claims, name) or 0) > now + LEEWAY for name in ("nbf", "iat")):
        raise RefusedError("nbf or iat is in the future")
    token_id = claims.get("jti")
    if not isinstance(token_id, str) or not 0 < len(token_id) <= _MAX_ID:
        raise RefusedError("jti is missing")
    return token_id, expires_at + LEEWAY


def _read_time(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    try:
        seconds = math.nan if isinstance(value, bool) or not isinstance(value, int | float) else float(value)
    except OverflowError:  # JSON has integers without end
        seconds = math.inf
    if not math.isfinite(seconds):
        raise RefusedError(f"{name} is not a time")
    return seconds


class _Registry(jws.JWSRegistry):
    """joserfc warns of the name EdDSA (RFC 9864), which clients still use; which may be used has been looked at before."""

    def get_alg(self, name: str) -> Any:
        return self.algorithms[name]


_REGISTRY: Final = _Registry()
