"""Key sets: whatever else is in one, its good keys verify and no other key does."""

from __future__ import annotations

import base64
from typing import Any

from cryptography.exceptions import InvalidSignature

from pyramid_oauthguard.jwt.keyset import KeySet, build_key_set
from pyramid_oauthguard.testing import SigningKey, generate_key
from pyramid_oauthguard.testing.tokens import sign

from ..source import Source

ALGORITHMS = ("RS256", "PS256", "ES256", "ES384", "EdDSA", "Ed25519")
GOOD, STRANGE = generate_key("ES256", kid="good"), generate_key("ES256", kid="strange")
OTHERS = [generate_key(algorithm, kid="other") for algorithm in ("RS256", "ES256", "ES384", "Ed25519")]
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


def _sign(key: SigningKey) -> tuple[bytes, bytes]:
    message, _dot, signature = sign(b"{}", b"{}", key).rpartition(".")
    return base64.urlsafe_b64decode(signature + "=="), message.encode()


SIGNED_BY_GOOD, SIGNED_BY_STRANGE = _sign(GOOD), _sign(STRANGE)


def run(data: bytes) -> None:
    """The good key verifies, also among odd keys of its name; what a key signed that is not in the set never does."""
    source = Source(data)
    odd = [_take_key(source) for _each in range(1 + source.take_byte() % 3)]  # four keys of one name are tried
    at = source.take_byte() % (len(odd) + 1)
    keys = build_key_set([*odd[:at], GOOD.jwk, *odd[at:]], ALGORITHMS)
    assert keys.has("good")
    assert _verifies(keys, "good", SIGNED_BY_GOOD)
    for kid in (None, "good", "strange", "other", source.take_text()):
        assert not _verifies(keys, kid, SIGNED_BY_STRANGE), "the signature of a key that is not in the set was accepted"
    for _kid, algorithms in keys.describe():
        assert algorithms


def _take_key(source: Source) -> Any:
    """Any JSON, or a key of which some members are others."""
    if source.take_byte() % 2:
        return source.take_json(NAMES)
    return {**source.choose((GOOD, *OTHERS)).jwk, **source.take_object(NAMES)}


def _verifies(keys: KeySet, kid: str | None, signed: tuple[bytes, bytes]) -> bool:
    for verify in (each for algorithm in ALGORITHMS for each in keys.find(algorithm, kid)):
        try:
            verify(*signed)
        except (InvalidSignature, ValueError):
            continue
        return True
    return False
