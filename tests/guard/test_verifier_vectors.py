"""The examples that the RFCs publish: keys that must work, tokens that must verify, tokens that must not."""

from __future__ import annotations

import pytest
import time_machine
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils
from joserfc.jwk import import_key
from joserfc.util import urlsafe_b64decode

from pyramid_oauthguard.jwt.algorithms import ALGORITHMS
from pyramid_oauthguard.jwt.keyset import build_key_set
from pyramid_oauthguard.testing import ABSENT, MemoryIssuer
from tests.guard.verifying import AFTER_THE_SIGNATURE, as_signing_key, build_verifier, find_reason, read_vectors

JWS = [vector for name in ("rfc7515", "rfc7520", "rfc8037") for vector in read_vectors(name)]
SIGNED = [vector for vector in JWS if vector["alg"] in ALGORITHMS]
REFUSED = [vector for vector in JWS if vector["alg"] not in ALGORITHMS] + read_vectors("rfc7519")
KEYS = read_vectors("rfc7517")
PRIVATE = [vector for vector in SIGNED if "d" in vector["key"]]
#: When the tokens of RFC 7515 and RFC 7519 were good.
THEN = 1_300_819_300


def name(vector):
    return vector["source"]


def publish(*keys):
    """An issuer whose key set is these keys' public halves and nothing else."""
    issuer = MemoryIssuer()
    issuer.withdraw()
    issuer.publish(*[{name: value for name, value in key.items() if name not in PRIVATE_MEMBERS} for key in keys])
    return issuer


PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi"}


def verify_without_joserfc(key, message, signature, algorithm):
    """The bare signature of cryptography, so that the vectors are not judged by what is judged with them."""
    digest = {"256": hashes.SHA256, "384": hashes.SHA384, "512": hashes.SHA512}.get(algorithm[-3:])
    if algorithm[:2] == "ES":
        half = len(signature) // 2
        numbers = int.from_bytes(signature[:half]), int.from_bytes(signature[half:])
        key.verify(utils.encode_dss_signature(*numbers), message, ec.ECDSA(digest()))
    elif algorithm[:2] == "PS":
        key.verify(signature, message, padding.PSS(padding.MGF1(digest()), digest.digest_size), digest())
    elif algorithm[:2] == "RS":
        key.verify(signature, message, padding.PKCS1v15(), digest())
    else:
        key.verify(signature, message)


@pytest.mark.parametrize("vector", SIGNED, ids=name)
def test_the_published_signature_is_good(vector):
    signed, _dot, tail = vector["token"].rpartition(".")
    key, signature = import_key(vector["key"]).public_key, urlsafe_b64decode(tail.encode())
    verify_without_joserfc(key, signed.encode(), signature, vector["alg"])
    with pytest.raises(InvalidSignature):
        verify_without_joserfc(key, signed.encode() + b"x", signature, vector["alg"])


@pytest.mark.promise("GD-02")
@pytest.mark.parametrize("vector", SIGNED, ids=name)
def test_the_published_token_verifies_and_is_refused_for_its_claims_alone(vector):
    verifier = build_verifier(publish(vector["key"]))
    with time_machine.travel(THEN, tick=False):
        assert find_reason(verifier, vector["token"]) in AFTER_THE_SIGNATURE
        header, payload, signature = vector["token"].split(".")
        turned = "B" if signature[0] != "B" else "C"
        assert find_reason(verifier, f"{header}.{payload}.{turned}{signature[1:]}") == "bad_signature"


@pytest.mark.promise("GD-63", "GD-64")
@pytest.mark.parametrize("vector", REFUSED, ids=name)
def test_the_published_token_is_refused_before_any_key_is_looked_for(vector):
    issuer = MemoryIssuer()
    if "key" in vector:
        issuer.publish(vector["key"])
    with time_machine.travel(THEN, tick=False):
        find_reason(build_verifier(issuer), vector["token"])
    assert issuer.calls["fetch_keys"] == 0


@pytest.mark.parametrize("vector", PRIVATE, ids=name)
def test_a_token_signed_by_the_published_private_key_is_good(vector):
    issuer = publish(vector["key"])
    key = as_signing_key(vector["key"], vector["alg"])
    raw = issuer.mint(sub="ada", key=key, header={"kid": ABSENT})
    assert build_verifier(issuer).verify(raw).subject == "ada"


@pytest.mark.promise("GD-02", "GD-05")
@pytest.mark.parametrize("vector", KEYS, ids=name)
def test_the_published_key_is_usable_for_what_it_says_it_is_for(vector):
    key = vector["key"]
    usable = build_key_set([key], ALGORITHMS).describe()
    assert usable == ([(key.get("kid"), tuple(vector["usable"]))] if vector["usable"] else [])
    if "thumbprint" in vector:
        assert import_key(key).thumbprint() == vector["thumbprint"]


@pytest.mark.promise("GD-05")
def test_the_published_key_set_serves_its_signing_key():
    keys = build_key_set([vector["key"] for vector in KEYS[:2]], ALGORITHMS)
    assert keys.describe() == [("2011-04-29", ("RS256",))]


@pytest.mark.promise("GD-06")
def test_the_published_p521_signature_keeps_its_leading_zero():
    """RFC 7515 appendix A.4: 132 octets, of which the first is 0 or 1."""
    vector = next(vector for vector in SIGNED if vector["source"].endswith("A.4"))
    header, payload, signature = vector["token"].split(".")
    assert len(urlsafe_b64decode(signature.encode())) == 132
    shorter = "".join(part for part in (header, ".", payload, ".", signature[4:]))
    assert find_reason(build_verifier(publish(vector["key"])), shorter) == "bad_signature"
