"""The remote check: the issuer says active, and everything the local check wants holds of what it says."""

from __future__ import annotations

import time

import pytest
import time_machine

from pyramid_oauthguard import InvalidToken, UnavailableError
from pyramid_oauthguard.testing import ABSENT, MemoryIssuer
from tests.guard.verifying import build_verifier, find_reason, find_verifier
from tests.issuers import HTTPIssuer

NOW = 1_800_000_000


@pytest.fixture
def issuer():
    return MemoryIssuer(algorithm="Ed25519")


@pytest.fixture(params=["live", "cached"])
def verifier(issuer, request):
    return build_verifier(issuer, "remote", **CACHES[request.param])


CACHES = {"live": {}, "cached": {"cache__introspection__expiration_time": "60"}}


def answer(issuer, members, *, opaque=True):
    """A token about which the issuer will say just these members."""
    raw = issuer.mint_opaque() if opaque else issuer.mint()
    issuer.answer(raw, members)
    return raw


def good(issuer, **members):
    """What an issuer says of a good token."""
    said = {
        "active": True,
        "iss": issuer.identifier,
        "aud": issuer.audience,
        "client_id": "web",
        "sub": "ada",
        "exp": int(time.time()) + 600,
        **members,
    }
    return {name: value for name, value in said.items() if value is not ABSENT}


# ── what the issuer says ─────────────────────────────────────────────────────────────────────────────────────────


def test_an_opaque_token_becomes_what_the_issuer_says_of_it(issuer, verifier):
    token = verifier.verify(
        answer(issuer, good(issuer, scope="read write", username="Ada", jti="1", nested={"a": [1]}))
    )
    assert (token.subject, token.client_id, token.username, token.token_id) == ("ada", "web", "Ada", "1")
    assert (token.mode, token.issuer, token.audience) == ("remote", issuer.identifier, (issuer.audience,))
    assert token.scopes == {"read", "write"}
    assert token.claims["nested"]["a"] == (1,)


@pytest.mark.slow
@pytest.mark.promise("GD-16")
@pytest.mark.parametrize(
    "active", ["true", "True", 1, 1.0, "yes", [True], {"active": True}, None, ABSENT, "", 0, False]
)
@pytest.mark.parametrize("opaque", [True, False], ids=["opaque", "JWT"])
def test_active_is_the_json_true_or_nothing(issuer, verifier, active, opaque):
    raw = answer(issuer, good(issuer, active=active), opaque=opaque)
    with pytest.raises((InvalidToken, UnavailableError)):
        verifier.verify(raw)


@pytest.mark.slow
@pytest.mark.promise("GD-16")
@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"iss": "https://other.test"}, "wrong_issuer"),
        ({"iss": ["https://issuer.test"]}, "wrong_issuer"),
        ({"aud": "https://other.test"}, "wrong_audience"),
        ({"aud": []}, "wrong_audience"),
        ({"aud": None}, "wrong_audience"),
        ({"aud": {"https://api.test": 1}}, "bad_audience"),
        ({"exp": 1}, "expired"),
        ({"exp": "1900000000"}, "bad_time"),
        ({"exp": True}, "bad_time"),
        ({"exp": float("inf")}, "bad_time"),
        ({"exp": float("nan")}, "bad_time"),
        ({"nbf": 4_000_000_000}, "not_yet_valid"),
        ({"nbf": "0"}, "bad_time"),
        ({"iat": 4_000_000_000}, "issued_in_future"),
        ({"client_id": ["web"]}, "bad_client"),
        ({"scope": {"read": True}}, "bad_scope"),
        ({"scope": ["read", 1]}, "bad_scope"),
        ({"sub": 7}, "bad_claim"),
        ({"username": ["root"]}, "bad_claim"),
        ({"jti": {}}, "bad_claim"),
    ],
    ids=str,
)
@pytest.mark.parametrize("opaque", [True, False], ids=["opaque", "JWT"])
def test_an_active_token_that_is_not_for_us_is_refused(issuer, verifier, members, reason, opaque):
    assert find_reason(verifier, answer(issuer, good(issuer, **members), opaque=opaque)) == reason


@pytest.mark.promise("GD-16")
def test_an_opaque_token_without_an_end_is_refused(issuer, verifier):
    assert find_reason(verifier, answer(issuer, good(issuer, exp=ABSENT))) == "missing_exp"


@pytest.mark.promise("GD-16")
def test_an_opaque_token_for_nobody_in_particular_is_refused_unless_the_deployer_says_so(issuer):
    raw = answer(issuer, good(issuer, aud=ABSENT))
    assert find_reason(build_verifier(issuer, "remote"), raw) == "wrong_audience"
    lax = build_verifier(issuer, "remote", introspection__require_audience="false")
    assert lax.verify(raw).audience == ()
    assert find_reason(lax, answer(issuer, good(issuer, aud="https://other.test"))) == "wrong_audience"


@pytest.mark.promise("GD-16")
def test_the_clients_list_is_for_introspected_tokens_too(issuer):
    verifier = build_verifier(issuer, "remote", client_id="web mobile")
    assert verifier.verify(answer(issuer, good(issuer))).client_id == "web"
    assert find_reason(verifier, answer(issuer, good(issuer, client_id="evil"))) == "wrong_client"
    assert find_reason(verifier, answer(issuer, good(issuer, client_id=ABSENT))) == "wrong_client"


def test_an_issuer_that_does_not_say_who_it_is_is_the_one_we_asked(issuer, verifier):
    assert verifier.verify(answer(issuer, good(issuer, iss=ABSENT))).issuer == issuer.identifier


# ── a JWT is checked locally first ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.promise("GD-16")
@pytest.mark.parametrize(
    "mint",
    [
        lambda issuer: issuer.mint_expired(),
        lambda issuer: issuer.mint_foreign(),
        lambda issuer: issuer.mint_tampered(),
        lambda issuer: issuer.mint(aud="https://other.test"),
        lambda issuer: issuer.mint(iss="https://other.test"),
        lambda issuer: issuer.mint(header={"alg": "none"}),
        lambda issuer: issuer.mint(header={"crit": ["exp"]}),
        lambda issuer: issuer.mint(header={"typ": "dpop+jwt"}),
        lambda issuer: issuer.mint()[:-4],
        lambda issuer: issuer.mint() + "=",
    ],
)
def test_what_the_local_check_refuses_never_reaches_the_issuer(issuer, verifier, mint):
    """An issuer that looks tokens up by their jti would vouch for a forged one."""
    raw = mint(issuer)
    issuer.answer(raw, good(issuer))
    find_reason(verifier, raw)
    assert issuer.calls["introspect"] == 0


@pytest.mark.promise("GD-64", "GD-11")
@pytest.mark.parametrize(
    "raw", ["", "tok\udcffen", "tökén", "x" * 300_000], ids=["empty", "surrogate", "not ASCII", "huge"]
)
def test_what_nobody_issued_never_reaches_the_issuer(issuer, verifier, raw):
    assert find_reason(verifier, raw) == "not_a_token"
    assert issuer.calls["introspect"] == 0


@pytest.mark.promise("GD-16")
def test_a_sparse_answer_is_completed_by_the_token_but_gives_no_scope(issuer, verifier):
    raw = issuer.mint(scope="read write admin", sub="ada", client_id="web")
    issuer.answer(raw, {"active": True, "scope": "read"})
    token = verifier.verify(raw)
    assert (token.subject, token.client_id, token.audience) == ("ada", "web", (issuer.audience,))
    assert token.scopes == {"read"}


@pytest.mark.promise("GD-16")
@pytest.mark.parametrize("profile", ["generic", "rfc9068"])
def test_the_barest_answer_there_is_makes_the_token_of_the_local_check(issuer, profile):
    raw = issuer.mint(
        {"aud": ["https://other.test", issuer.audience], "scope": ["read", "write"], "realm": {"roles": ["clerk"]}}
    )
    issuer.answer(raw, {"active": True})
    local, remote = (build_verifier(issuer, mode, profile=profile).verify(raw) for mode in ("local", "remote"))
    assert (remote.mode, local.mode) == ("remote", "local")
    assert (remote.scopes, remote.audience, remote.subject) == (local.scopes, local.audience, local.subject)
    assert remote.claims["realm"] == {"roles": ("clerk",)}


@pytest.mark.promise("GD-16")
def test_the_issuers_word_on_the_scope_is_the_last(issuer, verifier):
    raw = issuer.mint(scope="read write")
    issuer.answer(raw, good(issuer, scope=""))
    assert verifier.verify(raw).scopes == frozenset()


@pytest.mark.promise("GD-16")
@pytest.mark.parametrize("name", ["scope", "scp"])
def test_an_answer_does_not_widen_by_the_other_name_of_scope(issuer, verifier, name):
    """The token says scp, the answer says scope: only what the issuer says now counts."""
    raw = issuer.mint({"scope": "admin", "scp": ["admin"]})
    issuer.answer(raw, good(issuer, **{name: "read"}))
    assert verifier.verify(raw).scopes == {"read"}


# ── live, cached, revoked ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.promise("GD-17")
@pytest.mark.parametrize("mint", ["mint", "mint_opaque"])
def test_a_revoked_token_is_refused_by_the_next_check(issuer, verifier, mint):
    raw = getattr(issuer, mint)()
    assert verifier.verify(raw)
    issuer.revoke(raw)
    assert find_reason(verifier, raw) == "inactive"


def test_a_revoked_token_stays_good_for_a_local_check(issuer):
    raw = issuer.mint()
    verifier = build_verifier(issuer, "local")
    issuer.revoke(raw)
    assert verifier.verify(raw)
    assert issuer.calls["introspect"] == 0


def test_live_asks_each_time_and_cached_asks_once(issuer):
    for name, calls in (("live", 3), ("cached", 1)):
        verifier = build_verifier(issuer, "remote", **CACHES[name])
        raw = issuer.mint_opaque()
        issuer.calls.clear()
        for _again in range(3):
            verifier.verify(raw)
        assert issuer.calls["introspect"] == calls, name


@pytest.mark.promise("GD-18")
def test_a_cached_answer_ends_with_the_token_and_with_its_time(issuer):
    with time_machine.travel(NOW, tick=False) as clock:
        verifier = build_verifier(issuer, "remote", **CACHES["cached"], leeway="0")
        short, long = issuer.mint_opaque(exp=NOW + 20), issuer.mint_opaque(exp=NOW + 900)
        assert verifier.verify(short)
        assert verifier.verify(long)
        for moment in range(0, 59, 7):  # each use is a hit, and none lengthens its life
            clock.move_to(NOW + moment)
            if moment >= 20:
                assert find_reason(verifier, short) in {"expired", "inactive"}
            else:
                assert verifier.verify(short)
            assert verifier.verify(long)
        issuer.answer(long, {"active": False})
        clock.move_to(NOW + 60)
        assert find_reason(verifier, long) == "inactive"


# ── the issuer's faults ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.promise("GD-20")
def test_an_outage_is_neither_accepted_nor_the_tokens_fault(issuer):
    verifier = build_verifier(issuer, "remote")
    raw, opaque = issuer.mint(), issuer.mint_opaque()
    verifier.verify(raw)
    with issuer.outage():
        for each in (raw, opaque, issuer.mint_opaque()):
            with pytest.raises(UnavailableError):
                verifier.verify(each)
    assert verifier.verify(raw)


@pytest.mark.slow
@pytest.mark.promise("GD-16", "GD-44")
@pytest.mark.parametrize("said", [{}, {"active": "true"}, {"active": 1}, {"active": None}, {"error": "invalid_client"}])
def test_an_answer_over_http_without_a_truth_value_is_no_answer(said):
    with HTTPIssuer() as server:
        verifier = build_http_verifier(server)
        raw = server.issuer.mint_opaque()
        server.issuer.answer(raw, said)
        with pytest.raises(UnavailableError):
            verifier.verify(raw)
        server.issuer.answer(raw, good(server.issuer))
        assert verifier.verify(raw).subject == "ada"


@pytest.mark.promise("GD-16", "GD-44")
def test_another_issuers_word_over_http_is_refused():
    with HTTPIssuer() as server:
        verifier = build_http_verifier(server)
        raw = server.issuer.mint()
        assert verifier.verify(raw)
        server.fail("other issuer", "introspection")
        assert find_reason(verifier, raw) == "wrong_issuer"


def build_http_verifier(server, mode="remote"):
    from pyramid.config import Configurator

    config = Configurator(settings=server.settings)
    config.include("pyramid_oauthguard")
    return find_verifier(config.make_wsgi_app().registry, mode)
