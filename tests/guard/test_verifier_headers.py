"""The header of a token: what it may say, what it may not, and what nobody listens to."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

import pytest
from cryptography.hazmat.primitives import serialization
from joserfc.jwk import OctKey
from joserfc.util import urlsafe_b64encode

from pyramid_oauthguard import SettingError
from pyramid_oauthguard.jwt.algorithms import ALGORITHMS
from pyramid_oauthguard.testing import ABSENT, MemoryIssuer, generate_key
from tests.guard.verifying import AMONG_OTHERS, build_verifier, find_reason, find_verifier
from tests.issuers import HTTPIssuer

EVIL = "https://evil.example"


@pytest.fixture
def issuer():
    return MemoryIssuer()


@pytest.fixture(params=[{}, AMONG_OTHERS], ids=["one", "several"])
def verifier(request, issuer):
    return build_verifier(issuer, **request.param)


def encode(value):
    return urlsafe_b64encode(json.dumps(value).encode()).decode()


def forge(issuer, header, sign=lambda _message: b""):
    """A token of the right claims under any header, with a signature of anybody's making."""
    payload = issuer.mint(sub="mallory").split(".")[1]
    signed = f"{encode(header)}.{payload}"
    return f"{signed}.{urlsafe_b64encode(sign(signed.encode())).decode()}"


# ── alg ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.promise("GD-63")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_of_the_allow_list_verifies(algorithm):
    issuer = MemoryIssuer(algorithm=algorithm)
    assert build_verifier(issuer).verify(issuer.mint(sub="ada")).subject == "ada"
    assert find_reason(build_verifier(issuer), issuer.mint_foreign()) == "bad_signature"
    assert find_reason(build_verifier(issuer), issuer.mint_tampered()) == "bad_signature"


@pytest.mark.promise("GD-63")
@pytest.mark.parametrize("algorithm", ["PS256", "ES256", "Ed25519"])
def test_an_algorithm_taken_off_the_list_does_not(algorithm):
    issuer = MemoryIssuer(algorithm=algorithm)
    verifier = build_verifier(issuer, algorithms="RS256 ES384")
    assert find_reason(verifier, issuer.mint()) == "bad_algorithm"
    assert issuer.calls["fetch_keys"] == 0


@pytest.mark.slow
@pytest.mark.promise("GD-63")
@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", "none ", " none", "none\0", "", "n\u043ene"])
@pytest.mark.parametrize("signature", [b"", b"\0", b"signed, really"])
def test_none_is_refused_in_any_casing_before_a_key_is_looked_for(issuer, verifier, algorithm, signature):
    find_reason(verifier, forge(issuer, {"alg": algorithm, "kid": issuer.signing_key.kid}, lambda _message: signature))
    assert issuer.calls["fetch_keys"] == 0


def find_secrets(key):
    """Whatever a confused verifier might take a public key's octets for."""
    public, formats = key.native.public_key, serialization.PublicFormat
    jwk = key.jwk
    pem = public.public_bytes(serialization.Encoding.PEM, formats.SubjectPublicKeyInfo)
    yield "PEM", pem
    yield "PEM without its last newline", pem.strip()
    yield "DER", public.public_bytes(serialization.Encoding.DER, formats.SubjectPublicKeyInfo)
    if jwk["kty"] == "RSA":
        yield "PKCS1 PEM", public.public_bytes(serialization.Encoding.PEM, formats.PKCS1)
        yield "PKCS1 DER", public.public_bytes(serialization.Encoding.DER, formats.PKCS1)
        yield "modulus", base64.urlsafe_b64decode(jwk["n"] + "==")
    yield "JWK", json.dumps(jwk).encode()
    yield "JWK, compact", json.dumps(jwk, separators=(",", ":")).encode()
    yield "kid", jwk["kid"].encode()


@pytest.mark.promise("GD-63")
@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512", "hs256"])
@pytest.mark.parametrize("kind", ["RS256", "ES256", "Ed25519"])
def test_hmac_with_the_public_key_as_secret_is_refused(algorithm, kind):
    issuer = MemoryIssuer(algorithm=kind)
    verifier = build_verifier(issuer)
    digest = getattr(hashlib, f"sha{algorithm[-3:]}")
    for _name, secret in find_secrets(issuer.signing_key):
        raw = forge(
            issuer,
            {"alg": algorithm, "kid": issuer.signing_key.kid},
            lambda message, secret=secret: hmac.new(secret, message, digest).digest(),
        )
        assert find_reason(verifier, raw) == "bad_algorithm"
    assert issuer.calls["fetch_keys"] == 0


@pytest.mark.promise("GD-63", "GD-05")
def test_hmac_with_a_secret_that_the_issuer_publishes_is_refused(issuer):
    secret = OctKey.generate_key(256)
    issuer.publish({**secret.as_dict(), "kid": "secret", "alg": "HS256", "use": "sig"})
    raw = forge(
        issuer,
        {"alg": "HS256", "kid": "secret"},
        lambda message: hmac.new(secret.raw_value, message, hashlib.sha256).digest(),
    )
    assert find_reason(build_verifier(issuer), raw) == "bad_algorithm"


@pytest.mark.promise("GD-63")
@pytest.mark.parametrize("name", ["none", "None", "HS256", "HS512", "RS1", "ES256K", "Ed448", "RSA-OAEP", "dir", "*"])
def test_what_is_not_an_asymmetric_signature_cannot_be_configured(issuer, name):
    with pytest.raises(Exception, match=r"oauthguard\.algorithms") as caught:
        build_verifier(issuer, algorithms=f"RS256 {name}")
    assert isinstance(getattr(caught.value, "evalue", caught.value), SettingError)


@pytest.mark.promise("GD-63")
@pytest.mark.parametrize(
    "algorithm", [ABSENT, None, 256, True, ["RS256"], {"alg": "RS256"}, "rs256", "RS256 ", "RS1024"]
)
def test_an_algorithm_that_is_no_name_on_the_list_is_refused(issuer, verifier, algorithm):
    assert find_reason(verifier, issuer.mint(header={"alg": algorithm})) == "bad_algorithm"


@pytest.mark.promise("GD-02")
@pytest.mark.parametrize(
    ("said", "signed"), [("RS384", "RS256"), ("PS256", "RS256"), ("ES384", "ES256"), ("ES256", "RS256")]
)
def test_another_algorithm_than_the_key_is_for_is_refused(said, signed):
    issuer = MemoryIssuer(algorithm=signed)
    assert find_reason(build_verifier(issuer), issuer.mint(header={"alg": said})) in {"unknown_key", "bad_signature"}


@pytest.mark.promise("GD-02")
@pytest.mark.parametrize(("said", "signed"), [("EdDSA", "Ed25519"), ("Ed25519", "EdDSA")])
def test_the_two_names_of_one_algorithm_are_one(said, signed):
    """RFC 9864 section 2.2: issuers publish the old name and sign with the new, or the other way round."""
    issuer = MemoryIssuer(algorithm=signed)
    assert build_verifier(issuer).verify(issuer.mint(sub="ada", header={"alg": said})).subject == "ada"


# ── keys in the header ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.promise("GD-02")
@pytest.mark.parametrize("kid", [ABSENT, "mine"])
def test_a_key_in_the_header_is_never_used(issuer, verifier, kid):
    mine = generate_key("RS256", kid="mine")
    raw = issuer.mint(key=mine, header={"jwk": mine.jwk, "kid": kid})
    assert find_reason(verifier, raw) in {"unknown_key", "bad_signature"}


@pytest.mark.promise("GD-02")
@pytest.mark.parametrize("parameter", ["jku", "x5u"])
def test_an_address_in_the_header_is_never_fetched(parameter):
    with HTTPIssuer() as evil, HTTPIssuer() as good:
        verifier = build_http_verifier(good)
        url = evil.issuer.metadata["jwks_uri"]
        for kid in (ABSENT, evil.issuer.signing_key.kid, url):
            header = {parameter: url, "kid": kid}
            raw = good.issuer.mint(key=evil.issuer.signing_key, header=header)
            assert find_reason(verifier, raw) in {"unknown_key", "bad_signature"}
        raw = good.issuer.mint(header={parameter: url})
        assert verifier.verify(raw).subject == "test-user"
        assert not evil.calls


def build_http_verifier(server, **settings):
    from pyramid.config import Configurator

    config = Configurator(settings={**server.settings, **settings})
    config.include("pyramid_oauthguard")
    return find_verifier(config.make_wsgi_app().registry)


@pytest.mark.promise("GD-02")
@pytest.mark.parametrize(
    "kid",
    [
        "../../../../dev/null",
        "' OR 1=1 --",
        "https://evil.example/jwks",
        "\0",
        "x" * 4000,
        "é☃",
        "constructor",
    ],
)
def test_a_kid_is_a_name_and_nothing_else(issuer, verifier, kid):
    assert (
        find_reason(verifier, issuer.mint_foreign() if kid is None else issuer.mint(header={"kid": kid}))
        == "unknown_key"
    )


@pytest.mark.promise("GD-02")
@pytest.mark.parametrize("kid", [1, 1.5, True, ["a"], {"a": 1}])
def test_a_kid_that_is_no_text_is_refused(issuer, verifier, kid):
    assert find_reason(verifier, issuer.mint(header={"kid": kid})) == "bad_kid"


# ── crit ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.promise("GD-04")
@pytest.mark.parametrize(
    "crit",
    [
        ["exp"],
        ["b64"],
        ["kid"],
        ["alg"],
        ["http://example.invalid/UNDEFINED"],
        [],
        [""],
        [None],
        [1],
        [["exp"]],
        [{}],
        ["exp", "exp"],
        "exp",
        "",
        {},
        {"exp": 1},
        None,
        True,
        0,
    ],
)
def test_whatever_crit_says_the_token_is_refused(issuer, verifier, crit):
    header = {"crit": crit, "exp": 1, "http://example.invalid/UNDEFINED": True}
    assert find_reason(verifier, issuer.mint(header=header)) == "unknown_critical"


@pytest.mark.promise("GD-04")
@pytest.mark.parametrize("b64", [False, True])
def test_a_payload_that_is_not_encoded_is_refused(issuer, verifier, b64):
    """RFC 7797: with b64 false another text would be signed than the one that is read."""
    assert find_reason(verifier, issuer.mint(header={"b64": b64})) == "unknown_critical"


@pytest.mark.promise("GD-04")
@pytest.mark.parametrize(
    "header",
    [
        {"x5c": ["MIIB", "not even base64"], "x5t": "abc", "x5t#S256": "def"},
        {"x5c": 7, "x5t": None, "jwk": "none", "jku": 4, "x5u": {}},
        {"nonce": "AQABAAAAAAD", "cty": "JWT", "zip": "DEF"},
        {"iss": EVIL, "aud": EVIL, "sub": "mallory"},
        {"https://example.com/private": {"a": [1, 2, {"b": None}]}, "": ""},
        {"padding": "x" * 9000},
    ],
    ids=lambda header: ",".join(header)[:40],
)
def test_a_header_parameter_that_is_not_critical_is_ignored(issuer, verifier, header):
    """RFC 7515 section 4: what is not understood is ignored; Entra sends a nonce, WSO2 an x5t, some a whole chain."""
    token = verifier.verify(issuer.mint(header=header))
    assert (token.subject, token.issuer) == ("test-user", issuer.identifier)


# ── typ ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.promise("GD-09")
@pytest.mark.parametrize(
    "typ", [ABSENT, "JWT", "jwt", "Jwt", "at+jwt", "AT+JWT", "application/at+jwt", "Application/JWT"]
)
def test_the_generic_profile_takes_what_issuers_send(issuer, verifier, typ):
    assert verifier.verify(issuer.mint(header={"typ": typ})).subject == "test-user"


@pytest.mark.promise("GD-09")
@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "at+JWT", "application/at+jwt", "APPLICATION/AT+JWT"])
def test_the_strict_profile_takes_access_tokens(issuer, typ):
    assert build_verifier(issuer, profile="rfc9068").verify(issuer.mint(header={"typ": typ})).subject == "test-user"


@pytest.mark.promise("GD-09")
@pytest.mark.parametrize("typ", [ABSENT, "JWT", "application/jwt", ""])
def test_the_strict_profile_takes_nothing_else(issuer, typ):
    assert find_reason(build_verifier(issuer, profile="rfc9068"), issuer.mint(header={"typ": typ})) == "wrong_type"


@pytest.mark.slow
@pytest.mark.promise("GD-09")
@pytest.mark.parametrize("profile", ["generic", "rfc9068"])
@pytest.mark.parametrize(
    "typ",
    [
        "logout+jwt",
        "dpop+jwt",
        "id+jwt",
        "ID",
        "Refresh",
        "secevent+jwt",
        "token-introspection+jwt",
        "oauth-authz-req+jwt",
        "client-authentication+jwt",
        "kb+jwt",
        "vc+sd-jwt",
        "JWE",
        "JOSE",
        "JOSE+JSON",
        "at+jwt;v=1",
        " at+jwt",
        "at+jwt ",
        "at+jwt\0",
        "application/application/at+jwt",
        "x/at+jwt",
        "ａt+jwt",
        "jwt\u200b",
        "\u212awt",
        "",
        None,
        1,
        ["at+jwt"],
        {"at+jwt": 1},
        True,
    ],
)
def test_a_token_made_for_something_else_is_refused(issuer, typ, profile):
    assert find_reason(build_verifier(issuer, profile=profile), issuer.mint(header={"typ": typ})) == "wrong_type"


@pytest.mark.promise("GD-09")
def test_an_id_token_is_not_for_the_api(issuer, verifier):
    """OpenID Connect: same issuer, same keys, often `typ: JWT`; its audience is the client (RFC 9068 section 5)."""
    id_token = issuer.mint(
        header={"typ": "JWT"}, aud=issuer.client_id, nonce="n-0S6_WzA2Mj", client_id=ABSENT, azp=issuer.client_id
    )
    assert find_reason(verifier, id_token) == "id_token", "which says more than that its audience is wrong"


@pytest.mark.promise("GD-09")
@pytest.mark.parametrize("missing", ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"])
def test_the_strict_profile_wants_every_claim_of_rfc_9068(issuer, missing):
    assert find_reason(build_verifier(issuer, profile="rfc9068"), issuer.mint({missing: ABSENT})) == "missing_claim"


@pytest.mark.slow
@pytest.mark.parametrize("empty", [None, "", [], {}])
@pytest.mark.parametrize("name", ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"])
def test_the_strict_profile_refuses_required_claims_that_are_null_or_empty(issuer, name, empty):
    assert find_reason(build_verifier(issuer, profile="rfc9068"), issuer.mint({name: empty})) == "missing_claim"
