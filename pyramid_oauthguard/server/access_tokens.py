"""Access tokens: what goes in, RFC 9068 JWT or opaque out. What is stored of them is a record with a keyed hash."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

from joserfc import jws, jwt

from .hashing import Pepper
from .keys.ring import KeyRing, SigningKey
from .opaque import ACCESS_PREFIX, make_id, make_opaque
from .settings import ServerSettings
from .store.records import AccessTokenRecord, Client

__all__ = ["MadeToken", "TokenMaker", "describe"]


class _Registry(jws.JWSRegistry):
    """joserfc warns of the name EdDSA at each signature (RFC 9864); it is what verifiers know today."""

    def get_alg(self, name: str) -> Any:
        return self.algorithms[name]


_REGISTRY = _Registry()


@dataclass(frozen=True, slots=True)
class MadeToken:
    """An access token just made: its characters for the client, its record for the store.

    :ivar keys_version: the version of the key set when its signing key was chosen; None for an opaque token.
    :ivar claims: the claims of a JWT that the record does not contain.
    """

    text: str = field(repr=False)
    record: AccessTokenRecord
    keys_version: int | None = None
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False)


class TokenMaker:
    """Makes access tokens; stores nothing."""

    def __init__(self, settings: ServerSettings, keys: KeyRing, pepper: Pepper) -> None:
        self._settings = settings
        self._keys = keys
        self._pepper = pepper

    def make(
        self,
        client: Client,
        *,
        subject: str | None,
        scopes: tuple[str, ...],
        audiences: tuple[str, ...],
        grant_id: str | None = None,
        auth_time: float | None = None,
        acr: str | None = None,
        claims: dict[str, Any] | None = None,
        max_life: float | None = None,
    ) -> MadeToken:
        """Make an access token of the configured format. The caller has checked that the client may have it.

        :param subject: the user, None if the client acts for itself: ``sub`` is then the client id (RFC 9068 section 2.2).
        :param auth_time: when the user signed in, in seconds since the epoch (RFC 9068 section 2.2.1), and ``acr`` how.
        :param max_life: how many seconds it lives at the most; None: as all tokens of the client.
        :param claims: more claims for a JWT; none of the registered ones can be replaced.
        :raises UnavailableError: the signing key can't be read.
        """
        now, life = int(time.time()), client.access_token_ttl or self._settings.access_token_ttl
        draft = SimpleNamespace(
            token_id=make_id(),
            client_id=client.client_id,
            subject=client.client_id if subject is None else subject,
            scopes=scopes,
            audiences=audiences,
            issued_at=now,
            expires_at=now + int(life if max_life is None else min(life, max_life)),
            grant_id=grant_id,
            auth_time=auth_time,
            acr=acr,
        )
        if self._settings.access_token_format == "opaque":  # noqa: S105  # the name of a format
            text = make_opaque(ACCESS_PREFIX, draft.token_id).text
            return MadeToken(text, AccessTokenRecord(hash=self._pepper.hash_token(text), **vars(draft)))
        text, signer = self._sign(draft, claims or {})
        record = AccessTokenRecord(hash=self._pepper.hash_token(text), key_id=signer.kid, **vars(draft))
        return MadeToken(text, record, signer.keys_version, claims or {})

    def sign_again(self, made: MadeToken) -> MadeToken:
        """The same token, signed by the current key. The earlier one must not have been stored.

        :raises UnavailableError: the signing key can't be read.
        """
        text, signer = self._sign(made.record, made.claims)
        record = replace(made.record, hash=self._pepper.hash_token(text), key_id=signer.kid)
        return MadeToken(text, record, signer.keys_version, made.claims)

    def _sign(self, token: AccessTokenRecord | SimpleNamespace, claims: Mapping[str, Any]) -> tuple[str, SigningKey]:
        """The JWT, and the key that signed it. ``token`` needs no more than :func:`describe` reads."""
        signer = self._keys.find_signer()
        header = {"alg": signer.algorithm, "typ": "at+jwt", "kid": signer.kid}
        body = {**claims, **describe(token, self._settings.issuer)}
        return jwt.encode(header, body, signer.key, registry=_REGISTRY), signer


def describe(token: AccessTokenRecord | SimpleNamespace, issuer: str) -> dict[str, Any]:
    """The claims of RFC 9068 section 2.2, which are also the members of RFC 7662 section 2.2 and RFC 9470 section 6.2."""
    audience: Any = token.audiences[0] if len(token.audiences) == 1 else list(token.audiences)
    claims: dict[str, Any] = {
        "iss": issuer,
        "sub": token.subject,
        "aud": audience,
        "client_id": token.client_id,
        "exp": int(token.expires_at),
        "iat": int(token.issued_at),
        "jti": token.token_id,
    }
    if token.scopes:
        claims["scope"] = " ".join(token.scopes)
    if token.auth_time is not None:
        claims["auth_time"] = int(token.auth_time)
    if token.acr is not None:
        claims["acr"] = token.acr
    return claims
