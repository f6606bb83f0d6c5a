"""The local check: a JWT's signature against the issuer's cached keys, then its claims (RFC 7519, RFC 9068)."""

from __future__ import annotations

import time
from typing import Any, Final

from zope.interface import implementer

from ...access_token import AccessToken
from ...bounded import BoundedMap
from ...errors import InvalidToken, UnavailableError
from ...interfaces import Credential, ICredentialVerifier
from ...issuers.key_file import KeyFile
from ...issuers.keys import KeySource
from ...jwt.base64url import parse_segment
from ...jwt.jws import Jwt, ParsedHeader, parse_header, parse_segment_object, split
from ...jwt.keyset import KeySet
from ...jwt.verify import Candidates, build_refusal, is_signed
from ..settings import GuardSettings
from .access_tokens import HEADER_TYPES, build_access_token, check_profile

__all__ = ["AudiencelessVerifier", "LocalVerifier", "build_memory"]

#: Headers repeat: all tokens signed by one key share theirs. Only headers that passed every check get in.
_MAX_HEADERS: Final = 256

#: In characters. Longer tokens are rare, and ten thousand of them would be gigabytes.
_MAX_REMEMBERED_CHARACTERS: Final = 32_768

#: The set that verified it, from when until when it is good without being looked at again, the value.
_Remembered = tuple[KeySet, float, float, AccessToken | None]


def build_memory(settings: GuardSettings) -> BoundedMap | None:
    """What verified tokens are remembered in; None where none is."""
    return BoundedMap(settings.cache_tokens_size, name="tokens") if settings.cache_tokens_size else None


@implementer(ICredentialVerifier)
class LocalVerifier:
    """Verifies JWT access tokens without asking anybody. A revoked token stays good until it expires.

    A verified token is remembered together with the key set that verified it, and is good again while that
    set is in force and the token has not expired. Refusals are never remembered.

    :param verified: where verified tokens are remembered; None: in a memory of its own.
    """

    _audience_required = True

    def __init__(
        self, settings: GuardSettings, keys: KeySource | KeyFile, *, verified: BoundedMap | None = None
    ) -> None:
        self._settings = settings
        self._keys = keys
        self._kept = keys.kept
        self._algorithms = frozenset(settings.algorithms)
        self._headers = BoundedMap(_MAX_HEADERS)
        self._verified = build_memory(settings) if verified is None else verified

    def verify(self, credential: Credential, jwt: Jwt | None = None) -> AccessToken:
        """The verified token. Not checked: whether it was revoked.

        :param jwt: the token taken apart, where somebody had to do that before.
        :raises InvalidToken: it is malformed, not signed by the issuer, not for us, or not valid now.
        :raises UnavailableError: the issuer's keys are not known and can't be fetched.
        """
        raw = credential.characters
        header = f"{credential.scheme} {raw}"
        return self.recall(header) or self._verify(raw, header, jwt)

    def recall(self, header: str | None) -> AccessToken | None:
        """The token of an Authorization header if it was verified before and is still valid: neither expired
        nor its key set replaced. The unchanged header is the key: taking the token out of it costs more than to
        find it. Raises nothing.
        """
        verified = self._verified
        if verified is None or header is None:
            return None
        remembered: _Remembered | None = verified.get(header)
        if remembered is None:
            return None
        keys, since, until, token = remembered
        now = time.time()
        try:
            if not since <= now < until or keys is not self._kept.require(now):
                return None
        except UnavailableError:
            return None
        return token if token is not None else self._rebuild(header, remembered, now)

    def _verify(self, raw: str, header: str, jwt: Jwt | None) -> AccessToken:
        if jwt is not None and jwt[0] is raw:
            _raw, head, message, signature, claims = jwt
            keys, now = self._check_signature(head, message, signature)
        else:
            head, body, tail, message = split(raw)
            keys, now = self._check_signature(head, message, parse_segment(tail))
            claims = parse_segment_object(body)
        token = self._build(claims, now)
        if self._verified is not None and len(raw) <= _MAX_REMEMBERED_CHARACTERS:
            # That it verified. The value itself, several times the size, is kept from the second use on: most
            # tokens of a flood never come again.
            self._verified.set(header, (keys, now, token.expires_at + self._settings.leeway, None))
        return token

    def _check_signature(self, head: bytes, message: bytes, signature: bytes) -> tuple[KeySet, float]:
        """The key set that finds it good, and the time then. :raises InvalidToken: none does."""
        now = time.time()
        known: tuple[KeySet, Candidates] | None = self._headers.peek(head)
        seen = known is not None and known[0] is self._kept.require(now)
        keys, candidates = known if known is not None and seen else self._fetch_candidates(head)
        if not is_signed(message, signature, candidates):
            keys, candidates = self._fetch_newer(head, keys, candidates)
            if not is_signed(message, signature, candidates):
                raise build_refusal(candidates)
            seen = False
        if not seen:
            self._headers.set(head, (keys, candidates))
            now = time.time()  # the issuer may have been asked
        return keys, now

    def _rebuild(self, header: str, remembered: _Remembered, now: float) -> AccessToken | None:
        """The value of a token that was verified, None where it can't be built now."""
        keys, since, until, _token = remembered
        try:
            token = self._build(parse_segment_object(header.split(".")[1].encode()), now)
        except InvalidToken:  # where the stack is nearly full: nested claims that could be built before
            return None
        if self._verified is not None:
            self._verified.set(header, (keys, since, until, token))
        return token

    def _fetch_candidates(self, head: bytes) -> tuple[KeySet, Candidates]:
        header = self._parse_header(head)
        return self._keys.find(header.algorithm, header.kid, header.thumbprints, issuer=self._settings.issuer)

    def _fetch_newer(self, head: bytes, keys: KeySet, candidates: Candidates) -> tuple[KeySet, Candidates]:
        """Keys that the issuer has by now, for a token that no known key signed. :raises InvalidToken: there are none."""
        header = self._parse_header(head)
        kid, thumbprints = header.kid, header.thumbprints
        found = self._keys.find_newer(keys, header.algorithm, kid, thumbprints, issuer=self._settings.issuer)
        if found is None:
            raise build_refusal(candidates)
        return found

    def _parse_header(self, head: bytes) -> ParsedHeader:
        return parse_header(head, self._algorithms, HEADER_TYPES[self._settings.profile])

    def _build(self, claims: dict[str, Any], now: float) -> AccessToken:
        if self._settings.profile == "rfc9068":
            check_profile(claims)
        required = self._audience_required
        return build_access_token(claims, self._settings, mode="local", now=now, audience_required=required)


class AudiencelessVerifier(LocalVerifier):
    """As the local check, for a token whose audience only the issuer's answer says. An ``aud`` that is there must be ours."""

    _audience_required = False
