"""The local check: a JWT's signature against the issuer's cached keys, then its claims (RFC 7519, RFC 9068)."""

from __future__ import annotations

import time
from typing import Final

from zope.interface import implementer

from ...access_token import AccessToken
from ...bounded import BoundedMap
from ...errors import InvalidToken
from ...interfaces import ITokenVerifier
from ..claims import build_access_token, check_profile
from ..jws import MAX_TOKEN, ParsedHeader, parse_header, parse_segment, parse_segment_object
from ..keys import KeySource
from ..settings import GuardSettings

__all__ = ["LocalVerifier"]

#: Headers repeat: all tokens signed by one key share theirs. Only headers that passed every check get in.
_HEADERS: Final = 256


@implementer(ITokenVerifier)
class LocalVerifier:
    """Verifies JWT access tokens without asking anybody. A revoked token stays good until it expires.

    A verified token is remembered together with the key set that verified it, and is good again while that
    set is in force and the token has not expired. Refusals are never remembered.
    """

    def __init__(self, settings: GuardSettings, keys: KeySource) -> None:
        self._settings = settings
        self._keys = keys
        self._algorithms = frozenset(settings.algorithms)
        self._headers = BoundedMap(_HEADERS)
        self._verified = BoundedMap(settings.cache_tokens_size) if settings.cache_tokens_size else None

    def verify(self, raw: str) -> AccessToken:
        """The verified token. Not checked: whether it was revoked.

        :raises InvalidToken: it is malformed, not signed by the issuer, not for us, or not valid now.
        :raises UnavailableError: the issuer's keys are not known and can't be fetched.
        """
        return self.recall(raw) or self._verify(raw)

    def recall(self, raw: str) -> AccessToken | None:
        """The token if it was verified before and is as good as then: neither expired nor its key set replaced.

        :raises UnavailableError: the key set lapsed and the issuer's keys can't be fetched.
        """
        remembered = self._verified.get(raw) if self._verified is not None else None
        if remembered is None:
            return None
        keys, token, until = remembered
        now = time.time()
        source = self._keys
        if now < until and (keys is source.keys if now < source.calm_until else keys is source.find_current(now)):
            return token  # type: ignore[no-any-return]
        return None

    def _verify(self, raw: str) -> AccessToken:
        if len(raw) > MAX_TOKEN:
            raise InvalidToken("too_long")
        head, dot, rest = raw.partition(".")
        body, dot2, tail = rest.partition(".")
        if not (head and dot and body and dot2 and tail) or "." in tail:
            raise InvalidToken("not_a_jwt")
        header = self._find_header(head)
        signature = parse_segment(tail)
        keys, candidates = self._keys.find(header.algorithm, header.kid)
        message = raw[: -len(tail) - 1].encode("ascii", "replace")
        if not any(check(message, signature) for check in candidates):
            raise InvalidToken("bad_signature")
        self._headers.set(head, header)
        token = self._build(body)
        if self._verified is not None:
            self._verified.set(raw, (keys, token, token.expires_at + self._settings.leeway))
        return token

    def _find_header(self, segment: str) -> ParsedHeader:
        found: ParsedHeader | None = self._headers.get(segment)
        return found or parse_header(segment, self._algorithms, self._settings.profile)

    def _build(self, segment: str) -> AccessToken:
        claims = parse_segment_object(segment)
        check_profile(claims, self._settings.profile)
        try:
            return build_access_token(claims, self._settings, mode="local", now=time.time())
        except RecursionError:
            raise InvalidToken("bad_json") from None
