"""Key sets: whatever else is in one, its good keys verify and no other key does."""

from __future__ import annotations

from typing import Any

from pyramid.config import Configurator

from pyramid_oauthguard import InvalidToken
from pyramid_oauthguard.interfaces import ITokenVerifier, KeyDocument
from pyramid_oauthguard.testing import MemoryIssuer, generate_key, trust

from ..source import Source

GOOD, STRANGE = generate_key("ES256", kid="good"), generate_key("ES256", kid="strange")
NAMES = (
    "kty",
    "kid",
    "use",
    "alg",
    "key_ops",
    "crv",
    "n",
    "e",
    "d",
    "k",
    "x",
    "y",
    "x5c",
    "x5t",
    "RSA",
    "EC",
    "OKP",
    "oct",
    "AKP",
    "P-256",
    "Ed25519",
    "sig",
    "enc",
    "verify",
    "good",
    "strange",
    "AQAB",
    "AQ",
)


class _Issuer(MemoryIssuer):
    document: tuple[Any, ...] = ()

    def fetch_keys(self) -> KeyDocument:
        return KeyDocument(self.document, None)


def run(data: bytes) -> None:
    """The good key serves, unless a key of the set has its name; a token of a key that is not in it is refused."""
    source = Source(data)
    issuer = _Issuer()
    odd = [source.take_json(NAMES) for _each in range(1 + source.take_byte() % 4)]
    at = source.take_byte() % (len(odd) + 1)
    issuer.document = (*odd[:at], GOOD.jwk, *odd[at:])
    config = Configurator(settings=issuer.settings)
    config.include("pyramid_oauthguard")
    app = config.make_wsgi_app()
    trust(app, issuer)
    verifier = app.registry.getUtility(ITokenVerifier, name="local")
    assert verifier.verify(issuer.mint(key=GOOD)).subject == "test-user"
    try:
        verifier.verify(issuer.mint(key=STRANGE))
    except InvalidToken:
        return
    raise AssertionError("a token of a key that is not in the set was accepted")
