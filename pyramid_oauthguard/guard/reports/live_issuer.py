"""The issuer of an application as it answers now, for ``oauthguard check`` and ``oauthguard explain``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyramid.registry import Registry

from ...errors import InvalidToken
from ...interfaces import IIssuer
from ...issuers.http_issuer import build_http_issuer
from ...jwt.jws import Thumbprints
from ...jwt.keyset import build_key_set, find_candidates
from ...jwt.verify import Candidates
from ..settings import GuardSettings
from ..verifiers.signed_answers import read_answer

__all__ = ["build_live_issuer", "introspect_live"]


def build_live_issuer(registry: Registry, settings: GuardSettings) -> Any:
    """The issuer that is registered, or one over HTTP. No cache of the application is read or written."""
    found = registry.queryUtility(IIssuer, name=settings.issuer)
    return found or build_http_issuer(settings.build_issuer_settings())


def introspect_live(issuer: Any, settings: GuardSettings, raw: str) -> Mapping[str, Any]:
    """The issuer's answer about ``raw``, with its signature verified if it has one. :raises UnavailableError: there is none."""
    return read_answer(issuer.introspect(raw), settings, _LiveKeys(issuer, settings))


class _LiveKeys:
    """The keys that an issuer publishes now."""

    def __init__(self, issuer: Any, settings: GuardSettings) -> None:
        self._issuer = issuer
        self._settings = settings

    def find(
        self, algorithm: str, kid: str | None, thumbprints: Thumbprints = (), *, issuer: str | None = None
    ) -> tuple[Any, Candidates]:
        """The set, and its keys that may have signed. :raises InvalidToken: there is none."""
        document = self._issuer.fetch_keys()
        keys = build_key_set(document.keys, self._settings.algorithms, uses=self._settings.key_uses)
        found = find_candidates(keys, algorithm, kid, thumbprints, issuer=issuer) if keys else ()
        if not found:
            raise InvalidToken("unknown_key")
        return keys, found

    def find_newer(self, *_seen: Any, **_issuer: Any) -> None:
        """None: they are fetched for each use."""
