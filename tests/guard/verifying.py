"""A verifier as an application has it, and what the tests of verifiers say again and again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from pyramid.config import Configurator

from pyramid_oauthguard import AccessToken, InvalidToken
from pyramid_oauthguard.interfaces import Credential, ICredentialVerifier
from pyramid_oauthguard.testing import MemoryIssuer, SigningKey, trust

VECTORS = Path(__file__).parent / "vectors"

#: Settings under which the issuer is one of two: which one a token names is read before its signature is checked.
AMONG_OTHERS = {"issuers": "other", "issuers__other__issuer": "https://other.test", "issuers__other__scopes": "any"}

#: What a refusal says once the signature has been found good: a token refused so was not refused for its signature.
AFTER_THE_SIGNATURE = {
    "bad_json",
    "missing_claim",
    "wrong_issuer",
    "missing_exp",
    "expired",
    "wrong_audience",
}


def build_verifier(issuer: MemoryIssuer, mode: str = "local", **settings: Any) -> Any:
    """The verifier of an application that trusts `issuer`; settings by their names below `oauthguard.`"""
    more = {f"oauthguard.{name.replace('__', '.')}": value for name, value in settings.items()}
    config = Configurator(settings={**issuer.settings, **more})
    config.include("pyramid_oauthguard")
    app = config.make_wsgi_app()
    trust(app, issuer)
    return find_verifier(app.registry, mode)


def find_verifier(registry: Any, mode: str = "local") -> Any:
    """The verifier of an application, as `verify(raw)`; everything else of it is there, too."""
    return RawVerifier(registry.getUtility(ICredentialVerifier, name=mode))


class RawVerifier:
    """A verifier of the guard's own that is given the characters of a token, as one of an application is."""

    def __init__(self, verifier: Any) -> None:
        self.verifier = verifier

    def verify(self, raw: str) -> Any:
        return self.verifier.verify(Credential("Bearer", raw, "argument"))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.verifier, name)


def find_reason(verifier: Any, raw: str) -> str:
    """Why `raw` is refused. Twice, since a refusal must not depend on what the first one left behind."""
    reasons = []
    for _again in range(2):
        with pytest.raises(InvalidToken) as caught:
            verifier.verify(raw)
        reasons.append(caught.value.reason)
    assert reasons[0] == reasons[1]
    return reasons[0]


def read_vectors(name: str) -> list[dict[str, Any]]:
    return json.loads((VECTORS / f"{name}.json").read_text("utf-8"))


def verify_with(keys: Any, mint: Callable[[MemoryIssuer], str], **settings: Any) -> AccessToken:
    """The token that `mint` gives, verified by an application whose issuer publishes just these `keys`."""
    issuer = MemoryIssuer()
    issuer.withdraw()
    issuer.publish(*keys)
    return build_verifier(issuer, **settings).verify(mint(issuer))


def as_signing_key(jwk: Mapping[str, Any], algorithm: str) -> SigningKey:
    """A published private key (of an RFC, say) as a key to sign with."""
    from joserfc.jwk import import_key

    return SigningKey(jwk.get("kid", ""), algorithm, import_key(dict(jwk)))
