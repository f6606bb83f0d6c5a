"""What an introspection endpoint answers about a token (RFC 7662)."""

from __future__ import annotations

import itertools
import time
from typing import Any

from pyramid.config import Configurator

from pyramid_oauthguard import InvalidToken, UnavailableError
from pyramid_oauthguard.interfaces import Credential, ICredentialVerifier
from pyramid_oauthguard.testing import MemoryIssuer, trust

from ..source import Source

ISSUER = MemoryIssuer()
NAMES = (
    "active",
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "scope",
    "client_id",
    "username",
    "token_type",
    "cnf",
    "typ",
    "token_use",
    "nonce",
    "https://api.test",
    "https://issuer.test",
    "Bearer",
    "refresh_token",
)
SETTINGS = {"oauthguard.cache.inactive.expiration_time": "0"}


def _build_verifier(**more: str) -> Any:
    config = Configurator(settings={**ISSUER.settings, **SETTINGS, **more})
    config.include("pyramid_oauthguard")
    app = config.make_wsgi_app()
    trust(app, ISSUER)
    return app.registry.getUtility(ICredentialVerifier, name="remote")


VERIFIERS = (_build_verifier(), _build_verifier(**{"oauthguard.cache.introspection.expiration_time": "60"}))
NUMBERS = itertools.count()
JWT = ISSUER.mint(exp=int(time.time()) + 10**8)


def run(data: bytes) -> None:
    """A refusal or an outage, or a token of which the answer says everything that a token must say."""
    source = Source(data)
    now = int(time.time())
    answer = {"active": True, "aud": "https://api.test", "exp": now + 600, **source.take_object(NAMES)}
    raw = source.choose((JWT, f"opaque-{next(NUMBERS)}"))
    ISSUER._answers.clear()
    ISSUER.answer(raw, answer)
    for verifier in VERIFIERS[: 1 if raw == JWT else 2]:  # a kept answer about the same token would be right to win
        try:
            token = verifier.verify(Credential("Bearer", raw, "argument"))
        except (InvalidToken, UnavailableError) as error:
            assert raw not in str(error)
            continue
        assert answer["active"] is True
        assert "https://api.test" in token.audience
        assert token.expires_at > now - 31
        assert answer.get("cnf") is None  # null means absent in an answer
        assert token.issuer == ISSUER.identifier
