"""The JOSE libraries alone, in process: ``cold`` over the bare signature check, ``growth`` with more keys and scopes.

Both print comparisons as JSON, by what was measured.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
import uuid
import warnings
from dataclasses import asdict

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jwk
from joserfc import jwt as jose

from ..harness.measure import Options, compare

warnings.simplefilter("ignore")  # authlib.jose says that joserfc comes after it

ISSUER, AUDIENCE = "https://issuer.test", "https://api.test"
GENERATE = {
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}
KINDS = {
    "RS256": jwt.algorithms.RSAAlgorithm,
    "ES256": jwt.algorithms.ECAlgorithm,
    "EdDSA": jwt.algorithms.OKPAlgorithm,
}


def build_claims(**more):
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "test-user",
        "client_id": "test-client",
        "iat": now,
        "exp": now + 86400,
    }
    return {**claims, "jti": str(uuid.uuid4()), "scope": "customer_api read:messages", "auth_time": now, **more}


def publish(algorithm, key, kid):
    public = KINDS[algorithm].to_jwk(key.public_key(), as_dict=True)
    return {**public, "kid": kid, "alg": algorithm, "use": "sig"}


class JoserfcKeySet:
    """joserfc with a key set and its claims registry."""

    def __init__(self, algorithm, keys):
        self._keys = jwk.KeySet.import_key_set({"keys": keys})
        self._algorithms = [algorithm]
        rules = {"iss": {"essential": True, "value": ISSUER}, "aud": {"essential": True, "value": AUDIENCE}}
        self._registry = jose.JWTClaimsRegistry(**rules, exp={"essential": True})

    def __call__(self, raw):
        token = jose.decode(raw, self._keys, algorithms=self._algorithms)
        self._registry.validate(token.claims)
        return token.claims


class PyJWTKeySet:
    """PyJWT the way PyJWKClient uses it, its key set in memory."""

    def __init__(self, algorithm, keys):
        self._client = jwt.PyJWKClient("https://issuer.test/jwks")
        self._client.fetch_data = lambda: {"keys": keys}
        self._client.jwk_set_cache = jwt.jwk_set_cache.JWKSetCache(10**9)
        self._client.jwk_set_cache.put({"keys": keys})
        self._algorithms = [algorithm]

    def __call__(self, raw):
        key = self._client.get_signing_key_from_jwt(raw)
        return jwt.decode(raw, key, algorithms=self._algorithms, audience=AUDIENCE, issuer=ISSUER)


class AuthlibJose:
    """authlib.jose, which decodes base64 laxly."""

    def __init__(self, algorithm, keys):
        from authlib.jose import JsonWebKey, JsonWebToken

        self._jwt = JsonWebToken([algorithm])
        self._keys = JsonWebKey.import_key_set({"keys": keys})

    def __call__(self, raw):
        rules = {"iss": {"essential": True, "value": ISSUER}, "aud": {"essential": True, "value": AUDIENCE}}
        claims = self._jwt.decode(raw, self._keys, claims_options=rules)
        claims.validate()
        return claims


LIBRARIES = {
    "joserfc, a key set": JoserfcKeySet,
    "PyJWT, a key set": PyJWTKeySet,
    "authlib.jose, a key set": AuthlibJose,
}


def prepare(verify, tokens):
    following = itertools.cycle(tokens).__next__
    return lambda: verify(following())


def prepare_refusal(verify, tokens):
    following = itertools.cycle(tokens).__next__

    def refuse():
        try:
            verify(following())
        except Exception:  # noqa: BLE001  # each library has its own
            return
        raise AssertionError("let in")

    return refuse


def prepare_bare(algorithm, public, tokens):
    pairs = []
    for token in tokens:
        message, _dot, signature = token.rpartition(".")
        pairs.append((jwt.utils.base64url_decode(signature), message.encode()))
    how = {"RS256": (padding.PKCS1v15(), SHA256()), "ES256": (ec.ECDSA(SHA256()),), "EdDSA": ()}[algorithm]
    if algorithm == "ES256":
        pairs = [(encode_dss_signature(int.from_bytes(s[:32]), int.from_bytes(s[32:])), m) for s, m in pairs]
    following = itertools.cycle(pairs).__next__
    return lambda: public.verify(*following(), *how)


def measure_cold(options):
    found = {}
    for algorithm, generate in GENERATE.items():
        key = generate()
        tokens = [
            jwt.encode(build_claims(), key, algorithm, headers={"kid": "one", "typ": "at+jwt"}) for _ in range(64)
        ]
        base = prepare_bare(algorithm, key.public_key(), tokens)
        for name, make in LIBRARIES.items():
            verify = make(algorithm, [publish(algorithm, key, "one")])
            found[f"{algorithm}: {name}"] = asdict(compare(prepare(verify, tokens), base, options))
    return found


def measure_growth(options, keys, scopes):
    found, signing = {}, GENERATE["ES256"]()
    headers = {"kid": "one", "typ": "at+jwt"}
    known = [jwt.encode(build_claims(), signing, "ES256", headers=headers) for _ in range(8)]
    unknown = [jwt.encode(build_claims(), signing, "ES256", headers={**headers, "kid": "stranger"}) for _ in range(8)]
    many = [
        jwt.encode(build_claims(scope=" ".join(f"scope-{n}" for n in range(count))), signing, "ES256", headers=headers)
        for count in (scopes[0], scopes[-1])
    ]
    published = [publish("ES256", signing, "one")]
    published += [publish("ES256", GENERATE["ES256"](), f"key-{number}") for number in range(1, keys[-1])]
    for name, make in LIBRARIES.items():
        small, large = (make("ES256", published[:count]) for count in (keys[0], keys[-1]))
        grown = compare(prepare(large, known), prepare(small, known), options)
        refused = compare(prepare_refusal(large, unknown), prepare_refusal(small, unknown), options)
        scoped = compare(prepare(small, many[1:]), prepare(small, many[:1]), options)
        found[f"a known kid, 1 -> {keys[-1]:,} keys: {name}"] = asdict(grown)
        found[f"an unknown kid refused, 1 -> {keys[-1]:,} keys: {name}"] = asdict(refused)
        found[f"a verification, 1 -> {scopes[-1]:,} scopes: {name}"] = asdict(scoped)
    return found


if __name__ == "__main__":
    given = json.loads(sys.argv[2])
    wanted = Options(pairs=given["pairs"], seconds=given["seconds"])
    measured = measure_cold(wanted) if sys.argv[1] == "cold" else measure_growth(wanted, given["keys"], given["scopes"])
    print(json.dumps(measured))
