"""The check by userinfo: the issuer says whose token it is (OpenID Connect Core 1.0 section 5.3), and nothing else."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from zope.interface import implementer

from ...access_token import AccessToken, freeze
from ...errors import InvalidToken
from ...interfaces import Credential, ICredentialVerifier
from ...issuers.http_issuer import SIGNED
from ...issuers.introspection import Introspector
from ...issuers.key_file import KeyFile
from ...issuers.keys import KeySource
from ...jwt.base64url import parse_segment
from ...jwt.jws import Jwt, looks_like_jwt, parse_header, parse_segment_object, split
from ..settings import GuardSettings
from .remote import MAX_OPAQUE_CHARACTERS, Verifier
from .signed_answers import check_signature

__all__ = ["USERINFO_KEY", "UserinfoVerifier"]

#: Before the token, in the keys of answers: the caches of introspection keep them, too, and one is not the other.
USERINFO_KEY: Final = "userinfo "
_TYPES: Final = frozenset({None, "jwt"})


@implementer(ICredentialVerifier)
class UserinfoVerifier:
    """Asks the userinfo endpoint. An answer says who the user is; it does not say for which API and client the token is.

    So the token has no scopes, no client and no roles. A JWT passes the local check first.

    :param introspector: asks, shares and keeps the answers about tokens, as for introspection.
    """

    def __init__(
        self, settings: GuardSettings, local: Verifier, introspector: Introspector, *, keys: KeySource | KeyFile
    ) -> None:
        self._settings = settings
        self._local = local
        self._introspector = introspector
        self._keys = keys

    def verify(self, credential: Credential, jwt: Jwt | None = None) -> AccessToken:
        """The token of the user that the issuer names now.

        :param jwt: the token taken apart, for the local check.
        :raises InvalidToken: the issuer does not know the token, or the local check refuses it.
        :raises UnavailableError: the issuer can't be asked.
        """
        raw, settings = credential.characters, self._settings
        if not settings.userinfo_any_client:
            raise InvalidToken("userinfo_not_allowed")
        known = self._local.verify(credential, jwt) if looks_like_jwt(raw) else None
        if known is None and (not raw.isascii() or not 0 < len(raw) <= MAX_OPAQUE_CHARACTERS):
            raise InvalidToken("not_a_token")
        if known is None and settings.client_id:
            raise InvalidToken("wrong_client")  # which client it has is not known
        return self._introspector.ask(USERINFO_KEY + raw, lambda answer: self._judge(answer, known))

    def recall(self, header: str | None) -> AccessToken | None:
        """The token of an Authorization header whose kept answer would be judged as it was before. Raises nothing."""
        if header is None:
            return None
        scheme, blank, raw = header.partition(" ")
        token = self._introspector.recall(f"{scheme}{blank}{USERINFO_KEY}{raw}")
        if token is None:
            return None
        return token if header.count(".") != 2 or self._local.recall(header) is not None else None

    def _judge(self, answer: Mapping[str, Any], known: AccessToken | None) -> AccessToken:
        claims = self._read(answer)
        subject = claims.get("sub")
        if not isinstance(subject, str) or not subject:
            raise InvalidToken("bad_claim")
        if claims.get("iss", self._settings.issuer) != self._settings.issuer:
            raise InvalidToken("wrong_issuer")
        if known is not None and known.subject != subject:
            raise InvalidToken("other_token")
        return AccessToken(
            subject=subject,
            client_id=None,
            scopes=frozenset(),
            audience=() if known is None else known.audience,
            issuer=self._settings.issuer,
            issuer_name=self._settings.issuer_name,
            expires_at=math.inf if known is None else known.expires_at,
            issued_at=None if known is None else known.issued_at,
            token_id=None if known is None else known.token_id,
            username=None,
            claims=MappingProxyType({}) if not claims else freeze(claims),
            mode="userinfo",
        )

    def _read(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        """The claims of an answer; those of a signed one after its signature was verified."""
        signed = answer.get(SIGNED)
        if not isinstance(signed, str):
            return {name: value for name, value in answer.items() if value is not None and name != "active"}
        head, body, tail, message = split(signed)
        header = parse_header(head, frozenset(self._settings.algorithms), _TYPES)
        signature, issuer = parse_segment(tail), self._settings.issuer
        check_signature(header, self._keys, message=message, signature=signature, issuer=issuer)
        claims = parse_segment_object(body)
        if claims.get("iss") != issuer:  # a signed answer names its issuer (section 5.3.2)
            raise InvalidToken("wrong_issuer")
        return claims
