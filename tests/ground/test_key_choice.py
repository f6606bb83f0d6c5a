"""Which key verifies a signature: the same rules for the guard, for client assertions and for `oauthguard inspect`."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from functools import cache
from typing import Any

import pytest

from pyramid_oauthguard import InvalidToken
from pyramid_oauthguard.client.inspection import inspect_signature, read_jwt
from pyramid_oauthguard.jwt.algorithms import ALGORITHMS
from pyramid_oauthguard.jwt.keyset import build_key_set, find_fault
from pyramid_oauthguard.jwt.thumbprints import describe_certificate
from pyramid_oauthguard.server.clients.assertion import RefusedError, read_assertion, verify_assertion
from pyramid_oauthguard.server.clients.keys import as_key_set
from pyramid_oauthguard.server.grant_types import RegistrationError
from pyramid_oauthguard.server.store.records import Client
from pyramid_oauthguard.testing import ABSENT, MemoryIssuer, SigningKey, generate_key, mint
from tests.guard.verifying import build_verifier

KEY = generate_key("ES256", kid="good")
ISSUER = "https://issuer.test"
AUDIENCE = "https://api.test"
UNUSABLE: dict[str, Any] = {
    "another use": {**KEY.jwk, "use": "enc"},
    "use of null": {**KEY.jwk, "use": None},
    "other operations": {**KEY.jwk, "key_ops": ["sign"]},
    "operations of null": {**KEY.jwk, "key_ops": None},
    "another algorithm": {**KEY.jwk, "alg": "ES384"},
    "algorithm of null": {**KEY.jwk, "alg": None},
    "algorithm without a name": {**KEY.jwk, "alg": ""},
    "name of null": {**KEY.jwk, "kid": None},
    "another curve": {**KEY.jwk, "crv": "P-384"},
    "private": {**KEY.native.as_dict(private=True), "kid": "good"},
    "symmetric": {"kty": "oct", "k": "A" * 43, "kid": "good"},
}


def sign(key: Any = KEY, **header: Any) -> str:
    now = int(time.time())
    claims = {
        "iss": ISSUER, "sub": ISSUER, "aud": AUDIENCE, "client_id": "x", "jti": "1", "iat": now, "exp": now + 60,
    }  # fmt: skip
    return mint(claims, key, header={"typ": "JWT", **header})


def build_client(keys: list[Any]) -> Client:
    jwks = json.dumps({"keys": keys})
    nothing: Any = dict.fromkeys(("redirect_uris", "grants", "scopes", "audiences"), ())
    return Client(client_id=ISSUER, name="", role="client", public=False, created_at=0, jwks=jwks, **nothing)


def is_accepted_by_guard(raw: str, keys: list[Any]) -> bool:
    issuer = MemoryIssuer(ISSUER, audience=AUDIENCE, algorithm="ES256")
    issuer.withdraw()
    issuer.publish(*keys)
    try:
        build_verifier(issuer).verify(raw)
    except InvalidToken:
        return False
    return True


def is_accepted_by_server(raw: str, keys: list[Any]) -> bool:
    try:
        verify_assertion(read_assertion(raw), build_client(keys), audiences={AUDIENCE}, now=time.time())
    except RefusedError:
        return False
    return True


def is_accepted_by_command(raw: str, keys: list[Any]) -> bool:
    return inspect_signature(read_jwt(raw), keys).outcome == "pass"


ROLES = {"guard": is_accepted_by_guard, "server": is_accepted_by_server, "command": is_accepted_by_command}


@pytest.mark.slow
@pytest.mark.promise("GD-02", "GD-05")
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", UNUSABLE)
def test_a_key_that_is_not_for_this_is_not_used(role: str, name: str) -> None:
    raw, other = sign(), generate_key("ES256", kid="other").jwk
    assert ROLES[role](raw, [KEY.jwk, other])
    assert not ROLES[role](raw, [UNUSABLE[name], other])


@pytest.mark.promise("GD-02")
@pytest.mark.parametrize("role", ROLES)
def test_a_key_with_another_name_or_with_none_beside_named_ones_is_not_used(role: str) -> None:
    named, nameless = generate_key("ES256", kid="other").jwk, {**KEY.jwk}
    del nameless["kid"]
    assert ROLES[role](sign(), [nameless])
    assert not ROLES[role](sign(), [{**KEY.jwk, "kid": "another"}])
    assert not ROLES[role](sign(), [nameless, named])


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("names", [("EdDSA", "Ed25519"), ("Ed25519", "EdDSA")])
def test_two_names_of_one_algorithm_are_one(role: str, names: tuple[str, str]) -> None:
    key = generate_key(names[0], kid="ed")
    assert key.jwk["alg"] == names[0]
    assert ROLES[role](sign(key, alg=names[1]), [key.jwk])


@pytest.mark.promise("GD-61")
@pytest.mark.parametrize(("role", "most"), [("guard", 16), ("server", 10), ("command", 16)])
def test_without_a_name_so_many_keys_are_tried(role: str, most: int) -> None:
    others = [generate_key("ES256", kid=f"k{number}").jwk for number in range(most)]
    raw = sign(kid=ABSENT)
    assert ROLES[role](raw, [*others[1:], KEY.jwk])
    assert not ROLES[role](raw, [*others, KEY.jwk])


@pytest.mark.promise("GD-05", "GD-46")
@pytest.mark.parametrize("name", UNUSABLE)
def test_what_is_not_used_has_a_reason_and_is_not_registered(name: str) -> None:
    assert find_fault(KEY.jwk) is None
    assert find_fault(UNUSABLE[name])
    assert not build_key_set([UNUSABLE[name]], ALGORITHMS)
    with pytest.raises(RegistrationError, match="key 1 can't be used"):
        as_key_set({"keys": [UNUSABLE[name]]})


def test_a_key_of_no_allowed_algorithm_has_a_reason() -> None:
    assert find_fault(KEY.jwk, ["RS256"]) == "no algorithm that it is for is allowed"


# ── what a token and a key say about each other ─────────────────────────────────────────────────────────────────────

HINTS = ("x5t", "x5t#S256")


@cache  # made at first use: RSA keys take long, and each process of pytest-xdist imports this module
def make_many() -> tuple[SigningKey, ...]:
    return tuple(generate_key("RS256", kid=f"thumb-{number}") for number in range(20))


def publish(name: str) -> list[Any]:
    """Twenty keys, each with a thumbprint, and nothing else that tells them apart."""
    return [{"kty": "RSA", "n": key.jwk["n"], "e": key.jwk["e"], name: key.kid} for key in make_many()]


@pytest.mark.slow
@pytest.mark.promise("GD-61")
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", HINTS)
def test_a_thumbprint_chooses_among_many_keys(role: str, name: str) -> None:
    keys = publish(name)[10 if role == "server" else 0 :]  # a client may register ten
    assert ROLES[role](sign(make_many()[19], kid=ABSENT, **{name: make_many()[19].kid}), keys)
    assert not ROLES[role](sign(make_many()[18], kid=ABSENT, **{name: make_many()[19].kid}), keys)


@pytest.mark.slow
@pytest.mark.promise("GD-61")
@pytest.mark.parametrize("name", HINTS)
def test_a_thumbprint_is_found_in_a_certificate_and_in_a_kid(name: str) -> None:
    der = b"a certificate"
    thumbprint = describe_certificate(der)[name]
    others = publish(name)
    with_certificate = {"kty": "EC", **{m: KEY.jwk[m] for m in ("crv", "x", "y")}, "x5c": [b64encode(der).decode()]}
    assert is_accepted_by_guard(sign(kid=ABSENT, **{name: thumbprint}), [*others, with_certificate])
    named = [{**each, "kid": key.kid} for each, key in zip(publish("odd"), make_many(), strict=True)]
    assert is_accepted_by_guard(sign(make_many()[17], kid=ABSENT, **{name: make_many()[17].kid}), named)


@pytest.mark.promise("GD-61")
def test_a_thumbprint_that_no_key_has_does_not_refuse_a_good_token() -> None:
    """Some issuers write it in a form of their own."""
    for header in ({"kid": ABSENT}, {"kid": "good"}, {"kid": ""}):
        assert is_accepted_by_guard(sign(x5t="odd", **header), [{**KEY.jwk, "x5t": "usual"}])
        assert is_accepted_by_guard(sign(x5t=7, **header), [{**KEY.jwk, "x5t": None, "x5c": ["?"]}])


@pytest.mark.promise("GD-61")
@pytest.mark.parametrize("role", ROLES)
def test_an_empty_kid_counts_as_none(role: str) -> None:
    assert ROLES[role](sign(kid=""), [KEY.jwk])
    assert ROLES[role](sign(kid=""), [{**KEY.jwk, "kid": ""}])
    assert ROLES[role](sign(kid="some"), [{**KEY.jwk, "kid": ""}])


@pytest.mark.slow
@pytest.mark.promise("GD-61")
def test_a_new_thumbprint_is_looked_for_like_a_new_kid() -> None:
    keys = build_key_set(publish("x5t"), ALGORITHMS)
    assert keys.knows(None, (("x5t", "thumb-3"),))
    assert not keys.knows(None, (("x5t", "new"),))
    assert keys.knows(None, ())


@pytest.mark.slow
@pytest.mark.promise("GD-61")
def test_keys_of_other_algorithms_do_not_count_towards_the_limit() -> None:
    others = [generate_key("ES384", kid=f"e{number}").jwk for number in range(20)]
    wrong = [{**key.jwk, "alg": "PS256"} for key in make_many()]
    assert is_accepted_by_guard(sign(kid=ABSENT), [*others, *wrong, KEY.jwk])


@pytest.mark.promise("GD-61")
def test_a_use_of_ones_own_may_be_allowed() -> None:
    key = {**KEY.jwk, "use": "jwt-svid"}
    assert not build_key_set([key], ALGORITHMS)
    assert build_key_set([key, {**KEY.jwk, "use": "enc"}], ALGORITHMS, uses=("sig", "jwt-svid")).has("good")
    assert find_fault(key) == "its use is 'jwt-svid', not sig"
    assert find_fault(key, uses=("sig", "jwt-svid")) is None
