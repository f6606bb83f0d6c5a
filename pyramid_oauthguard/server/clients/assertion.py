"""Clients that authenticate with a signature: private_key_jwt (RFC 7523 sections 2.2 and 3).

The client gets the same refusal for every error in an assertion; the log names the rule that was broken.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ...errors import InvalidToken
from ...jwt.algorithms import ALGORITHMS
from ...jwt.base64url import parse_segment
from ...jwt.claims import read_audience, read_times
from ...jwt.jws import ParsedHeader, parse_header, parse_segment_object, split
from ...jwt.keyset import find_candidates
from ...jwt.verify import Candidates, is_signed
from ..store.records import Client
from .key_sources.remote import RemoteKeys
from .keys import build_client_keys

__all__ = ["ASSERTION_TYPE", "Assertion", "RefusedError", "read_assertion", "verify_assertion"]

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LEEWAY_SECONDS: Final = 30.0
MAX_LIFE_SECONDS: Final = 3600.0  # an accepted assertion is remembered for this long
_MAX_ID_CHARACTERS: Final = 255
#: ``typ`` of the header. No access token or JWT of another kind has one of these values.
_TYPES: Final = frozenset({None, "jwt", "client-authentication+jwt"})


class RefusedError(Exception):
    """An assertion that proves nothing; ``reason`` is a fixed phrase for the log."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Assertion:
    """A parsed assertion, not verified before :func:`verify_assertion`. ``header`` and ``signature`` are not
    decoded."""

    client_id: str
    claims: Mapping[str, Any]
    header: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    signed: bytes = field(repr=False)


def read_assertion(text: str) -> Assertion:
    """The assertion in ``text``; its header and its signature are NOT checked.

    :raises RefusedError: not a JWT, or not by the client about itself (RFC 7523 section 3).
    """
    try:
        header, body, signature, signed = split(text)
        claims = parse_segment_object(body)
    except InvalidToken as error:
        raise RefusedError(f"not a JWT: {error.reason}") from None
    client_id = claims.get("sub")
    if not isinstance(client_id, str) or not client_id or claims.get("iss") != client_id:
        raise RefusedError("iss and sub are not the client_id")
    return Assertion(client_id, claims, header, signature, signed)


def verify_assertion(
    assertion: Assertion,
    client: Client,
    *,
    audiences: Collection[str],
    now: float,
    remote: RemoteKeys | None = None,
) -> tuple[str, float]:
    """Check that the client signed this for this server, and that it is valid now.

    NOT checked: that it wasn't used before.

    :param audiences: the names of this server; ``aud`` must be one or more of these, and nothing else.
    :param remote: where the keys of clients with a ``jwks_uri`` are.
    :returns: its ``jti`` and when it expires at the latest.
    :raises RefusedError: otherwise.
    """
    try:
        _check_signature(assertion, client, remote)
        return _verify_claims(assertion.claims, audiences, now)
    except InvalidToken as error:
        raise RefusedError(error.reason) from None


def _check_signature(assertion: Assertion, client: Client, remote: RemoteKeys | None) -> None:
    header = parse_header(assertion.header, ALGORITHMS, _TYPES)
    found = _find_keys(client, header, remote)
    if not is_signed(assertion.signed, parse_segment(assertion.signature), found):
        raise RefusedError("no key of the client made the signature")


def _find_keys(client: Client, header: ParsedHeader, remote: RemoteKeys | None) -> Candidates:
    if remote is not None and client.jwks_uri is not None and not client.is_self_registered:
        return remote.find(client.jwks_uri, header.algorithm, header.kid, header.thumbprints)
    if client.jwks is None:
        return ()
    keys = build_client_keys(client.jwks)
    return find_candidates(keys, header.algorithm, header.kid, header.thumbprints, issuer=client.client_id)


def _verify_claims(claims: Mapping[str, Any], audiences: Collection[str], now: float) -> tuple[str, float]:
    audience = read_audience(claims)
    # With the name of another server in it, that server could use the assertion here.
    if not audience or not set(audience) <= set(audiences):
        raise RefusedError("aud is not this server alone")
    expires_at, _issued_at = read_times(claims, now - LEEWAY_SECONDS, now + LEEWAY_SECONDS)
    if expires_at > now + MAX_LIFE_SECONDS + LEEWAY_SECONDS:
        raise RefusedError("exp is too far away")
    token_id = claims.get("jti")
    if not isinstance(token_id, str) or not 0 < len(token_id) <= _MAX_ID_CHARACTERS:
        raise RefusedError("jti is missing")
    return token_id, expires_at + LEEWAY_SECONDS
