"""Tokens and key sets as `oauthguard inspect` reads them."""

from __future__ import annotations

import base64
import json

from pyramid_oauthguard.client.errors import CommandError
from pyramid_oauthguard.client.inspection import Wanted, inspect_claims, inspect_signature, find_scopes, read_jwt
from pyramid_oauthguard.testing import generate_key

from ..source import Source

KEY = generate_key("ES256", kid="mine")
NAMES = (
    "alg",
    "typ",
    "kid",
    "crit",
    "iss",
    "aud",
    "sub",
    "exp",
    "nbf",
    "iat",
    "scope",
    "scp",
    "kty",
    "crv",
    "n",
    "e",
    "x",
    "y",
    "use",
    "key_ops",
    "ES256",
    "RS256",
    "EC",
    "RSA",
    "OKP",
    "mine",
    "P-256",
)
WANTED = Wanted(issuer="https://issuer.example", audience="api", scope="read")


def run(data: bytes) -> None:
    """Checks, each with an outcome; the signature of a token that the key did not sign never passes."""
    source = Source(data)
    if source.take_byte() % 4 == 0:
        text = source.take_rest().decode("latin-1")
    else:
        parts = (source.take_object(NAMES), source.take_object(NAMES))
        text = ".".join([*(_encode(json.dumps(each).encode()) for each in parts), _encode(source.take_bytes())])
    try:
        jwt = read_jwt(text)
    except CommandError:
        return
    keys = [KEY.jwk, *(source.take_object(NAMES) for _each in range(source.take_byte() % 3)), source.take_json(NAMES)]
    assert inspect_signature(jwt, keys).outcome != "pass"
    inspect_signature(jwt, source.take_json(NAMES))
    for check in inspect_claims(jwt, WANTED):
        assert check.outcome in {"pass", "fail", "skip"}
        assert check.text
    find_scopes(jwt.claims)


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
