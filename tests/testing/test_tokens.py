"""`mint` and its relatives, read back with joserfc."""

from __future__ import annotations

import pytest
from joserfc import jws, jwt

from pyramid_oauthguard.testing import ABSENT, bearer, generate_key, mint, read_claims, tamper
from pyramid_oauthguard.testing.keys import KINDS
from pyramid_oauthguard.testing.tokens import is_signed_by, sign


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", KINDS)
@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")  # by joserfc, which the issuers out there have not read
def test_every_algorithm_signs_what_joserfc_verifies(algorithm):
    key = generate_key(algorithm)
    token = jwt.decode(mint({"sub": "ada"}, key), key.native, algorithms=[algorithm])
    assert token.claims == {"sub": "ada"}
    assert token.header == {"alg": algorithm, "typ": "at+jwt", "kid": key.kid}


def test_a_key_is_named_by_its_thumbprint_or_as_told():
    key = generate_key("ES256")
    assert key.kid == key.native.thumbprint()
    assert generate_key("ES256", kid="mine").jwk["kid"] == "mine"


def test_the_published_half_has_no_private_member():
    assert generate_key("RS256").jwk.keys() == {"kty", "n", "e", "kid", "alg", "use"}


def test_an_algorithm_without_a_key_pair_is_refused():
    with pytest.raises(ValueError, match="HS256"):
        generate_key("HS256")


def test_the_header_can_be_overruled_and_shortened():
    key = generate_key("ES256")
    raw = mint({}, key, header={"typ": ABSENT, "kid": None, "alg": "none", "x": [1]})
    header = jws.extract_compact(raw.encode()).protected
    assert header == {"alg": "none", "kid": None, "x": [1]}


def test_claims_can_be_left_out_or_null():
    assert read_claims(mint({"a": ABSENT, "b": None}, generate_key("ES256"))) == {"b": None}


def test_any_bytes_can_be_signed():
    key = generate_key("Ed25519")
    raw = sign(b"\xff{", b"\0", key)
    assert is_signed_by(raw, key)
    assert not is_signed_by(raw, generate_key("Ed25519"))


def test_a_tampered_token_says_something_else_under_the_old_signature():
    key = generate_key("ES256")
    raw = mint({"sub": "ada", "scope": "read"}, key)
    forged = tamper(raw, scope="read write")
    assert read_claims(forged) == {"sub": "ada", "scope": "read write"}
    assert forged.rpartition(".")[2] == raw.rpartition(".")[2]
    assert not is_signed_by(forged, key)
    assert read_claims(tamper(raw))["sub"] != "ada"


@pytest.mark.parametrize("raw", ["", "a", "a.b", "a.b.c.d", "e30.W10.", "e30.*.", "e30.e30=.", "\udcff.é.ü"])
def test_what_is_no_token_is_a_value_error_to_read(raw):
    with pytest.raises(ValueError):  # noqa: PT011  # what it says is json's, base64's or ours
        read_claims(raw)
    assert not is_signed_by(raw, generate_key("ES256"))


def test_the_header_that_presents_a_token():
    assert bearer("abc") == {"Authorization": "Bearer abc"}
