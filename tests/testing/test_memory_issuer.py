"""The issuer in memory, asked as a guard asks it."""

from __future__ import annotations

import gc
import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import time_machine
from zope.interface.verify import verifyObject

from pyramid_oauthguard import UnavailableError
from pyramid_oauthguard.interfaces import IIssuer
from pyramid_oauthguard.testing import ABSENT, MemoryIssuer, generate_key, read_claims
from pyramid_oauthguard.testing.keys import KeyPool
from pyramid_oauthguard.testing.tokens import is_signed_by


class Listener:
    def __init__(self):
        self.heard = []

    def tokens_revoked(self, token_ids):
        self.heard.append(list(token_ids))

    def keys_changed(self):
        self.heard.append("keys")


@pytest.fixture
def issuer():
    return MemoryIssuer()


def test_it_is_an_issuer(issuer):
    verifyObject(IIssuer, issuer)


def test_a_token_has_every_claim_of_rfc_9068(issuer):
    claims = read_claims(issuer.mint())
    assert claims.keys() == {"iss", "sub", "aud", "client_id", "iat", "exp", "jti"}
    assert claims["iss"] == issuer.identifier
    assert claims["aud"] == issuer.audience
    assert claims["exp"] - time.time() == pytest.approx(600, abs=2)


def test_claims_are_named_as_keywords_or_given_as_a_mapping(issuer):
    claims = read_claims(issuer.mint({"https://example.com/tier": "gold", "sub": "ada"}, scope="a b", jti=ABSENT))
    assert claims["https://example.com/tier"] == "gold"
    assert (claims["sub"], claims["scope"]) == ("ada", "a b")
    assert "jti" not in claims


def test_two_tokens_are_never_the_same(issuer):
    assert read_claims(issuer.mint())["jti"] != read_claims(issuer.mint())["jti"]


def test_a_good_token_is_active_with_its_claims(issuer):
    raw = issuer.mint(scope="read", sub="ada")
    assert issuer.introspect(raw) == {"active": True, "token_type": "Bearer", **read_claims(raw)}


@pytest.mark.parametrize("kind", ["expired", "foreign", "tampered"])
def test_bad_tokens_are_bad_in_one_way_each(issuer, kind):
    raw = getattr(issuer, f"mint_{kind}")(scope="read")
    assert issuer.introspect(raw) == {"active": False}
    assert read_claims(raw)["scope"] == "read"
    assert is_signed_by(raw, issuer.signing_key) is (kind == "expired")


@pytest.mark.parametrize("raw", ["", "x", "a.b.c", "\udcff"])
def test_what_it_never_issued_is_inactive(issuer, raw):
    assert issuer.introspect(raw) == {"active": False}


def test_a_token_that_is_not_valid_yet_is_inactive_until_it_is(issuer):
    raw = issuer.mint(nbf=int(time.time()) + 60)
    assert issuer.introspect(raw) == {"active": False}
    with time_machine.travel(time.time() + 61):
        assert issuer.introspect(raw)["active"] is True


def test_a_token_of_another_issuer_is_inactive(issuer):
    assert issuer.introspect(MemoryIssuer().mint()) == {"active": False}


def test_an_opaque_token_is_known_by_introspection_alone(issuer):
    raw = issuer.mint_opaque(scope="read", exp=ABSENT)
    assert "." not in raw
    assert issuer.introspect(raw)["scope"] == "read"
    assert "exp" not in issuer.introspect(raw)


def test_revocation_is_final_and_announced(issuer):
    listener = Listener()
    issuer.subscribe(listener)
    jwt, opaque = issuer.mint(jti="one"), issuer.mint_opaque(jti="two")
    issuer.revoke(jwt)
    issuer.revoke(opaque)
    issuer.revoke("never issued")
    assert listener.heard == [["one"], ["two"]]
    assert issuer.introspect(jwt) == issuer.introspect(opaque) == {"active": False}


def test_an_answer_can_be_put_into_its_mouth(issuer):
    raw = issuer.mint()
    issuer.answer(raw, {"active": "true"})
    assert issuer.introspect(raw) == {"active": "true"}


def test_rotation_publishes_before_it_signs_and_keeps_the_former_key(issuer):
    listener = Listener()
    issuer.subscribe(listener)
    before = issuer.mint()
    key = issuer.rotate("ES256")
    assert [jwk["kid"] for jwk in issuer.jwks["keys"]][-1] == key.kid == issuer.signing_key.kid
    assert issuer.introspect(before)["active"] is True
    assert issuer.introspect(issuer.mint())["active"] is True
    assert listener.heard == ["keys"]


def test_withdrawal_ends_the_tokens_of_the_key(issuer):
    raw, old = issuer.mint(), issuer.signing_key
    issuer.rotate()
    issuer.withdraw(old.kid)
    assert old.kid not in [jwk["kid"] for jwk in issuer.jwks["keys"]]
    assert issuer.introspect(raw) == {"active": False}
    assert issuer.introspect(issuer.mint())["active"] is True


def test_the_key_that_signs_is_withdrawn_unless_another_is_named(issuer):
    issuer.withdraw()
    assert issuer.jwks == {"keys": []}


def test_any_key_can_be_published(issuer):
    odd = {"kty": "AKP", "alg": "ML-DSA-44"}
    issuer.publish(odd, generate_key("ES256").jwk)
    assert issuer.jwks["keys"][1] == odd
    assert issuer.fetch_keys().keys == tuple(issuer.jwks["keys"])


def test_the_key_set_says_how_long_it_may_be_kept(issuer):
    assert issuer.fetch_keys().max_age is None
    issuer.max_age = 60
    assert issuer.fetch_keys().max_age == 60


def test_an_outage_answers_nothing_and_counts_all_the_same(issuer):
    with issuer.outage():
        with pytest.raises(UnavailableError, match="unreachable"):
            issuer.fetch_keys()
        with pytest.raises(UnavailableError, match="unreachable"):
            issuer.introspect(issuer.mint())
    issuer.fetch_keys()
    assert issuer.calls == {"fetch_keys": 2, "introspect": 1}


def test_an_outage_can_be_of_any_kind(issuer):
    with issuer.outage(UnavailableError("not_json")), pytest.raises(UnavailableError, match="not_json"):
        issuer.fetch_keys()


def test_metadata_names_the_issuer_and_its_endpoints():
    metadata = MemoryIssuer("https://issuer.test/tenant/").metadata
    assert metadata["issuer"] == "https://issuer.test/tenant/"
    assert metadata["jwks_uri"] == "https://issuer.test/tenant/jwks"


def test_two_issuers_share_no_key_while_both_live():
    one, other = MemoryIssuer(), MemoryIssuer()
    assert one.signing_key.jwk["n"] != other.signing_key.jwk["n"]


@pytest.mark.slow
def test_a_forgotten_issuers_key_serves_the_next_one_under_another_name():
    gc.collect()  # whatever other tests left behind
    first = MemoryIssuer()
    kid, modulus = first.signing_key.kid, first.signing_key.jwk["n"]
    del first
    second = MemoryIssuer()
    assert second.signing_key.jwk["n"] == modulus
    assert second.signing_key.kid != kid


def test_threads_may_share_it(issuer):
    def use(number):
        raw = issuer.mint(sub=str(number))
        if number % 8 == 0:
            issuer.rotate("Ed25519")
        return issuer.introspect(raw)["sub"]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(use, range(64))) == [str(number) for number in range(64)]
    assert issuer.calls["introspect"] == 64


def test_a_key_that_is_given_back_by_the_collector_while_another_one_is_borrowed_does_not_stop_that():
    """The collector may run at any step, in the same thread."""
    pool = KeyPool()
    kept = [pool.borrow("Ed25519")]

    def count():
        for number in itertools.count(2):
            pool.give_back(kept)
            yield number

    pool._numbers = count()
    thread = threading.Thread(target=pool.borrow, args=("Ed25519",), daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
