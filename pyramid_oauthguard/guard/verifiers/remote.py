"""The remote check: the issuer says that the token is active now (RFC 7662), and everything the local check wants."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final, Protocol

from zope.interface import implementer

from ...access_token import AccessToken
from ...errors import InvalidToken, UnavailableError
from ...interfaces import Credential, ICredentialVerifier
from ...issuers.introspection import Introspector
from ...jwt.jws import MAX_TOKEN_CHARACTERS, Jwt, find_jwt, looks_like_jwt
from ..settings import GuardSettings
from .access_tokens import build_access_token
from .unverifiable import Unverified, is_for_issuer, read_unverified

__all__ = ["MAX_OPAQUE_CHARACTERS", "RemoteVerifier", "Verifier"]

#: A reference to what the issuer keeps needs no more characters. A JWT may be longer: it is verified before it is sent.
MAX_OPAQUE_CHARACTERS: Final = 16_384


class Verifier(Protocol):
    """A check by one issuer.

    ``jwt`` is the token of the credential where it was taken apart before, so that it is parsed once.
    """

    def verify(self, credential: Credential, jwt: Jwt | None = None) -> AccessToken: ...
    def recall(self, header: str | None) -> AccessToken | None: ...


@implementer(ICredentialVerifier)
class RemoteVerifier:
    """Asks the issuer. Never accepts what the local check would refuse.

    A JWT passes the local check first: what is malformed, foreign or expired never reaches the issuer, and
    an issuer that looks a token up by its ``jti`` alone can't be fooled into vouching for a forged one.
    An opaque token is judged by the answer alone.
    """

    def __init__(self, settings: GuardSettings, local: Verifier, introspector: Introspector) -> None:
        self._settings = settings
        self._local = local
        self._introspector = introspector

    def verify(self, credential: Credential, jwt: Jwt | None = None) -> AccessToken:
        """The token as the issuer describes it now.

        :param jwt: the token taken apart, for the local check.
        :raises InvalidToken: inactive, or its description does not pass the checks.
        :raises UnavailableError: the issuer can't be asked.
        """
        raw = credential.characters
        if not raw.isascii() or not 0 < len(raw) <= MAX_TOKEN_CHARACTERS:
            raise InvalidToken("not_a_token")  # it can't be a token, so the issuer is not asked
        is_jwt = jwt is not None or self._is_jwt(raw)
        if not is_jwt and len(raw) > MAX_OPAQUE_CHARACTERS:
            raise InvalidToken("not_a_token")
        local = self._check_first(credential, jwt) if is_jwt else None
        return self._introspector.ask(raw, lambda answer: self._judge(answer, local))

    def recall(self, header: str | None) -> AccessToken | None:
        """The token of an Authorization header whose kept answer would be judged as it was before, its signature,
        too. Raises nothing.
        """
        token = self._introspector.recall(header)
        if token is None or header is None:
            return None
        return token if header.count(".") != 2 or self._local.recall(header) is not None else None

    def _is_jwt(self, raw: str) -> bool:
        """Whether the local check comes first. A token with the prefix of opaque ones is a JWT only in every character."""
        prefix = self._settings.token_prefix
        if prefix and raw.startswith(prefix):
            return find_jwt(raw) is not None
        return looks_like_jwt(raw)

    def _check_first(self, credential: Credential, jwt: Jwt | None) -> AccessToken | Unverified:
        """What is known of a JWT before the issuer is asked. :raises InvalidToken: the issuer must not be asked."""
        try:
            return self._local.verify(credential, jwt)
        except (InvalidToken, UnavailableError) as error:
            if self._settings.introspection_judges != "all" or not is_for_issuer(error, credential.characters):
                raise
        return read_unverified(credential.characters, self._settings, now=time.time())

    def _judge(self, answer: Mapping[str, Any], known: AccessToken | Unverified | None) -> AccessToken:
        settings = self._find_settings(answer)
        if isinstance(known, Unverified):
            known.check(answer, settings)
        local = known if isinstance(known, AccessToken) else None
        return build_access_token(
            self._complete(answer, local),
            settings,
            mode="remote",
            now=time.time(),
            audience_required=settings.introspection_require_audience,
            is_answer=local is None or answer.get("aud", ()) is None,
        )

    def _find_settings(self, _answer: Mapping[str, Any]) -> GuardSettings:
        """The settings that an answer is judged by."""
        return self._settings

    def _complete(self, answer: Mapping[str, Any], local: AccessToken | None) -> dict[str, Any]:
        """The answer, and what a sparse one leaves out from the token that the issuer has just vouched for."""
        # Asked at its own endpoint, the issuer need not say who it is; when it does it must be who we asked.
        claims: dict[str, Any] = {"iss": self._settings.issuer}
        if local is not None:
            claims |= local.claims
            for synonyms in (("aud",), self._settings.scope_claim, self._settings.client_id_claim):
                if any(name in answer for name in synonyms):  # otherwise the token's could win over the answer's
                    for name in synonyms:
                        claims.pop(name, None)
        return claims | {name: value for name, value in answer.items() if value is not None}
