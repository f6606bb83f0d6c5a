"""The local verifier against tokens that were changed and signed again: what it accepts, joserfc and PyJWT accept too."""

from __future__ import annotations

import contextlib
import json
import math
import time
from typing import Any

import jwt as pyjwt
from jwt.algorithms import OKPAlgorithm
from pyramid.config import Configurator

from pyramid_oauthguard import InvalidToken
from pyramid_oauthguard.interfaces import Credential, ICredentialVerifier
from pyramid_oauthguard.testing import MemoryIssuer, generate_key, trust
from pyramid_oauthguard.testing.tokens import is_signed_by, read_claims, sign

from ..source import Source

ISSUER = MemoryIssuer()
KEYS = [ISSUER.signing_key, ISSUER.rotate("ES256"), ISSUER.rotate("Ed25519")]
FOREIGN = generate_key("ES256", kid=KEYS[1].kid)
NAMES = (
    "alg",
    "typ",
    "kid",
    "crit",
    "jwk",
    "jku",
    "x5c",
    "b64",
    "zip",
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "scope",
    "scp",
    "client_id",
    "cid",
    "azp",
    "cnf",
    "nonce",
    "at_hash",
    "token_use",
    "token_type",
    "events",
    "username",
    "at+jwt",
    "JWT",
    "none",
    "HS256",
    "RS256",
    "ES256",
    "Bearer",
    "https://issuer.test",
    "https://api.test",
)


def _build_verifier() -> Any:
    config = Configurator(settings=ISSUER.settings)
    config.include("pyramid_oauthguard")
    app = config.make_wsgi_app()
    trust(app, ISSUER)
    return app.registry.getUtility(ICredentialVerifier, name="local")


VERIFIER = _build_verifier()
ALGORITHMS = ("RS256", "ES256", "EdDSA", "Ed25519")
PYJWS = pyjwt.PyJWS(ALGORITHMS)
PYJWS.register_algorithm("Ed25519", OKPAlgorithm())  # the name that RFC 9864 gives to EdDSA with this curve
SECRET = "s" * 32
LEEWAY_SECONDS = 31  # the guard's, and one for the time between the two checks


def run(data: bytes) -> None:
    """InvalidToken, or a token that two other libraries verify with the same keys."""
    source = Source(data)
    key = source.choose([*KEYS, FOREIGN])
    now = int(time.time())
    header = {"alg": key.algorithm, "typ": "at+jwt", "kid": key.kid, **source.take_object(NAMES)}
    claims = {
        "iss": "https://issuer.test", "sub": "ada", "aud": "https://api.test", "client_id": "web", "exp": now + 600, "iat": now,
        **source.take_object(NAMES),
    }  # fmt: skip
    raw = sign(_as_bytes(header, source), _as_bytes(claims, source), key)
    raw = _garble(raw, source)
    try:
        token = VERIFIER.verify(Credential("Bearer", raw, "argument"))
    except InvalidToken as error:
        assert error.reason
        return
    assert key is not FOREIGN, "the signature of another key was accepted"
    _check_with_others(raw, token)


def _check_with_others(raw: str, token: Any) -> None:
    assert any(is_signed_by(raw, key) for key in KEYS), "joserfc finds no key of the issuer that signed it"
    said = read_claims(raw)
    assert token.issuer == said["iss"] == ISSUER.identifier
    assert token.subject == said.get("sub")
    assert token.token_id == said.get("jti")
    assert "cnf" not in said
    assert _is_signed_for_pyjwt(raw), "PyJWT finds no key of the issuer that signed it"
    refusal = find_refusal_of_pyjwt(said)
    assert refusal is None, f"PyJWT refuses the claims: {refusal}"


def _is_signed_for_pyjwt(raw: str) -> bool:
    """Whether its JWS layer verifies the token with a key that the header's ``kid`` allows."""
    kid = pyjwt.get_unverified_header(raw).get("kid")
    for each in ISSUER.jwks["keys"]:
        if kid in (None, "", each["kid"]):  # an empty one counts as none
            with contextlib.suppress(pyjwt.PyJWTError, TypeError):  # TypeError: a key of another kind than alg
                PYJWS.decode_complete(raw, pyjwt.PyJWK(each, _name(each)).key, algorithms=ALGORITHMS)
                return True
    return False


def find_refusal_of_pyjwt(said: dict[str, Any]) -> str | None:
    """Its refusal of the claims, which are signed again after what the two read differently on purpose is made equal."""
    claims = dict(said)
    for name in ("sub", "jti"):  # null means absent here, and is not text there
        if claims.get(name) is None:
            claims.pop(name, None)
    claims["exp"] = math.ceil(claims["exp"])  # a fraction of a second counts here, and is cut off there
    raw = pyjwt.encode(claims, SECRET, "HS256")
    try:
        pyjwt.decode(
            raw,
            SECRET,
            algorithms=["HS256"],
            audience="https://api.test",
            issuer=ISSUER.identifier,
            leeway=LEEWAY_SECONDS,
        )
    except pyjwt.PyJWTError as error:
        return repr(error)
    return None


def _name(key: dict[str, Any]) -> str:
    return "EdDSA" if key["kty"] == "OKP" else str(key["alg"])


def _as_bytes(members: dict[str, Any], source: Source) -> bytes:
    text = json.dumps(members).encode()
    if source.take_byte() < 224:
        return text
    at = source.take_byte() % len(text)
    return text[:at] + source.take_bytes() + text[at:]


def _garble(raw: str, source: Source) -> str:
    if source.take_byte() < 192:
        return raw
    at = source.take_byte() * 4 % len(raw)
    return raw[:at] + source.take_text() + raw[at + source.take_byte() % 3 :]
