"""How long what the issuer said is believed: a revoked, expired or withdrawn token, and the caches in between."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import time_machine
from hypothesis import given, settings
from hypothesis import strategies as st

from pyramid_oauthguard import InvalidToken, UnavailableError
from pyramid_oauthguard.testing import MemoryIssuer
from tests.guard.guarding import add, ask, build_app, find_status
from tests.guard.verifying import find_verifier

START = 1_900_000_000


@pytest.fixture
def issuer():
    return MemoryIssuer()


@pytest.fixture
def clock():
    with time_machine.travel(START, tick=False) as clock:
        yield clock


def build(issuer, **options):
    def configure(config):
        add(config, "/local", token_check="local")
        add(config, "/remote", token_check="remote")

    return build_app(configure, issuer, settings={f"oauthguard.{name}": str(value) for name, value in options.items()})


def revoke_silently(issuer, raw):
    """As an issuer elsewhere does it, which tells nobody."""
    issuer.answer(raw, {"active": False})


# ── live ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.promise("GD-17")
@pytest.mark.parametrize("kind", ["mint", "mint_opaque"])
@pytest.mark.parametrize("how", [revoke_silently, MemoryIssuer.revoke])
def test_the_next_live_check_after_a_revocation_refuses(issuer, kind, how):
    app = build(issuer)
    raw = getattr(issuer, kind)()
    for _again in range(3):
        assert find_status(app, "/remote", raw) == 200
    how(issuer, raw)
    for _again in range(3):
        assert find_status(app, "/remote", raw) == 401


@pytest.mark.promise("GD-17")
def test_each_live_check_asks(issuer):
    app = build(issuer)
    raw = issuer.mint()
    for number in range(1, 5):
        ask(app, "/remote", raw)
        assert issuer.calls["introspect"] == number


@pytest.mark.promise("GD-17", "GD-22")
def test_live_checks_at_once_share_calls_but_never_an_older_one(issuer):
    """Every caller's answer comes from a call that began after the caller came."""
    app = build(issuer, **{"introspection.max_in_flight": "9"})
    verifier = find_verifier(app.app.registry, "remote")
    raw = issuer.mint()
    verifier.verify(raw)
    entered, leave = threading.Event(), threading.Event()
    introspect = issuer.introspect

    class Slow(MemoryIssuer):
        def introspect(self, raw):
            said = introspect(raw)  # what it knows is what was true when the call began
            if not entered.is_set():
                entered.set()
                leave.wait(10)
            return said

    issuer.__class__ = Slow
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(verifier.verify, raw)
        assert entered.wait(10)
        issuer.revoke(raw)
        late = [pool.submit(verifier.verify, raw) for _ in range(8)]
        leave.set()
        assert first.result(10).mode == "remote"  # it asked before the revocation
        for each in late:
            with pytest.raises(InvalidToken):
                each.result(10)
    assert issuer.calls["introspect"] <= 4


@pytest.mark.slow
@pytest.mark.promise("GD-17")
@settings(max_examples=30, deadline=None)
@given(
    steps=st.lists(st.sampled_from(["check", "revoke", "other"]), min_size=3, max_size=12), ttl=st.sampled_from([0, 60])
)
def test_no_order_of_checks_and_revocations_accepts_a_revoked_token(steps, ttl):
    """In one process, where the issuer tells the guard, a cache makes no difference."""
    issuer = MemoryIssuer()
    verifier = find_verifier(build(issuer, **{"cache.introspection.expiration_time": ttl}).app.registry, "remote")
    raw, other = issuer.mint(), issuer.mint()
    revoked = False
    for step in steps:
        if step == "revoke":
            issuer.revoke(raw)
            revoked = True
        elif step == "other":
            assert verifier.verify(other)
        elif revoked:
            with pytest.raises(InvalidToken):
                verifier.verify(raw)
        else:
            assert verifier.verify(raw)


# ── cached ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.promise("GD-17", "GD-18")
@pytest.mark.parametrize("kind", ["mint", "mint_opaque"])
def test_a_cached_answer_is_believed_for_n_seconds_and_no_longer(issuer, clock, kind):
    app = build(issuer, **{"cache.introspection.expiration_time": "30s"})
    raw = getattr(issuer, kind)()
    assert find_status(app, "/remote", raw) == 200
    revoke_silently(issuer, raw)
    for _hit in range(29):  # a hit each second does not lengthen it
        clock.shift(1)
        assert find_status(app, "/remote", raw) == 200
    assert issuer.calls["introspect"] == 1
    clock.shift(1)
    assert find_status(app, "/remote", raw) == 401


@pytest.mark.promise("GD-18")
@pytest.mark.parametrize("kind", ["mint", "mint_opaque"])
@pytest.mark.parametrize("leeway", [0, 30])
def test_a_cached_answer_is_never_used_past_exp(issuer, clock, kind, leeway):
    app = build(issuer, **{"cache.introspection.expiration_time": "1h", "leeway": leeway})
    raw = getattr(issuer, kind)(exp=START + 100)
    assert find_status(app, "/remote", raw) == 200
    clock.shift(99)
    assert find_status(app, "/remote", raw) == 200
    assert issuer.calls["introspect"] == 1
    clock.shift(1)  # from here on the issuer itself says inactive
    assert find_status(app, "/remote", raw) == 401


@pytest.mark.promise("GD-18")
def test_an_exp_in_the_answer_is_believed_over_the_tokens_own(issuer, clock):
    app = build(issuer, **{"cache.introspection.expiration_time": "1h", "leeway": 0})
    raw = issuer.mint(exp=START + 1000)
    issuer.answer(raw, {"active": True, "exp": START + 10})
    assert find_status(app, "/remote", raw) == 200
    clock.shift(11)
    assert find_status(app, "/remote", raw) == 401


@pytest.mark.promise("GD-16", "GD-18")
def test_a_cached_answer_is_judged_again_at_each_hit(issuer, clock):
    app = build(issuer, **{"cache.introspection.expiration_time": "1h"})
    raw = issuer.mint()
    assert find_status(app, "/remote", raw) == 200
    clock.move_to(START - 3600)  # a clock that went back: issued in the future, says the local check
    assert find_status(app, "/remote", raw) == 401


@pytest.mark.promise("GD-17")
@pytest.mark.parametrize("kind", ["mint", "mint_opaque"])
def test_a_revocation_in_the_same_process_evicts_at_once(issuer, clock, kind):
    app = build(issuer, **{"cache.introspection.expiration_time": "1h"})
    raw, other = getattr(issuer, kind)(), getattr(issuer, kind)()
    for each in raw, other:
        assert find_status(app, "/remote", each) == 200
    issuer.revoke(raw)
    assert find_status(app, "/remote", raw) == 401
    assert find_status(app, "/remote", other) == 200
    assert issuer.calls["introspect"] == 3


@pytest.mark.promise("GD-18", "GD-20")
def test_a_cached_answer_serves_through_an_outage_but_not_beyond_its_time(issuer, clock):
    app = build(issuer, **{"cache.introspection.expiration_time": "60", "cache.jwks.expiration_time": "1d"})
    raw = issuer.mint(exp=START + 10_000)
    assert find_status(app, "/remote", raw) == 200
    with issuer.outage():
        clock.shift(59)
        assert find_status(app, "/remote", raw) == 200
        assert find_status(app, "/remote", issuer.mint()) == 503
        clock.shift(2)
        assert find_status(app, "/remote", raw) == 503


@pytest.mark.promise("GD-18")
def test_an_outage_is_not_remembered_as_a_verdict(issuer):
    app = build(issuer)
    raw = issuer.mint()
    assert find_status(app, "/local", raw) == 200
    with issuer.outage():
        assert find_status(app, "/remote", raw) == 503
    assert find_status(app, "/remote", raw) == 200


# ── negative answers ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.promise("GD-18")
def test_an_inactive_token_is_asked_about_once(issuer, clock):
    app = build(issuer)
    raw = issuer.mint()
    issuer.revoke(raw)
    for _again in range(20):
        assert find_status(app, "/remote", raw) == 401
    assert issuer.calls["introspect"] == 1


@pytest.mark.promise("GD-18")
def test_an_inactive_token_may_become_active(issuer, clock):
    app = build(issuer, **{"cache.inactive.expiration_time": "10"})
    raw = issuer.mint_opaque()
    issuer.answer(raw, {"active": False})
    assert find_status(app, "/remote", raw) == 401
    issuer.answer(raw, {"active": True, "exp": START + 100, "aud": issuer.audience})
    clock.shift(9)
    assert find_status(app, "/remote", raw) == 401
    clock.shift(2)
    assert find_status(app, "/remote", raw) == 200


@pytest.mark.slow
@pytest.mark.promise("GD-18")
def test_inactive_tokens_fill_nothing_up(issuer):
    app = build(issuer, **{"cache.inactive.arguments.size": 10})
    for number in range(100):
        assert find_status(app, "/remote", f"nonsense-{number}") == 401
    assert issuer.calls["introspect"] == 100
    assert find_status(app, "/remote", "nonsense-99") == 401
    assert issuer.calls["introspect"] == 100  # the last ones are still known
    assert find_status(app, "/remote", "nonsense-0") == 401
    assert issuer.calls["introspect"] == 101  # the first ones had to go


@pytest.mark.slow
@pytest.mark.promise("GD-18")
def test_good_answers_are_not_driven_out_by_bad_tokens(issuer, clock):
    app = build(issuer, **{"cache.introspection.expiration_time": "1h", "cache.inactive.arguments.size": 10})
    raw = issuer.mint_opaque()
    assert find_status(app, "/remote", raw) == 200
    for number in range(200):
        find_status(app, "/remote", f"nonsense-{number}")
    asked = issuer.calls["introspect"]
    assert find_status(app, "/remote", raw) == 200
    assert issuer.calls["introspect"] == asked


@pytest.mark.promise("GD-16")
@pytest.mark.parametrize("active", ["true", "True", 1, 1.0, [True], {"a": 1}, None, "yes", "false", 0, ""])
def test_active_must_be_the_json_true(issuer, active):
    app = build(issuer)
    raw = issuer.mint()
    issuer.answer(raw, {"active": active})
    assert find_status(app, "/remote", raw) in (401, 503)


# ── withdrawn keys, expired tokens ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.promise("GD-21")
def test_a_withdrawn_key_stops_verifying_what_it_verified(issuer, clock):
    app = build(issuer)
    raw = issuer.mint()
    assert find_status(app, "/local", raw) == 200
    issuer.withdraw()
    issuer.rotate()
    assert find_status(app, "/local", raw) == 401
    assert find_status(app, "/local", issuer.mint()) == 200


@pytest.mark.promise("GD-21")
def test_a_key_withdrawn_elsewhere_stops_within_the_jwks_cache_time(clock):
    class Quiet(MemoryIssuer):
        def subscribe(self, listener):
            """Tells nobody anything."""

    issuer = Quiet()
    app = build(issuer, **{"cache.jwks.expiration_time": "600"})
    raw = issuer.mint(exp=START + 10_000)
    assert find_status(app, "/local", raw) == 200
    issuer.rotate()
    issuer.withdraw(kid=issuer._held[0].kid)
    clock.shift(601)
    assert find_status(app, "/local", raw) == 401
    assert find_status(app, "/local", issuer.mint()) == 200


@pytest.mark.promise("GD-08")
def test_a_remembered_token_expires(issuer, clock):
    app = build(issuer, leeway=30)
    raw = issuer.mint(exp=START + 100)
    assert find_status(app, "/local", raw) == 200
    clock.shift(129)
    assert find_status(app, "/local", raw) == 200
    clock.shift(1)
    assert find_status(app, "/local", raw) == 401
    assert find_status(app, "/local", raw) == 401


@pytest.mark.promise("GD-08")
def test_a_token_that_is_not_yet_valid_becomes_valid(issuer, clock):
    app = build(issuer, leeway=0)
    raw = issuer.mint(nbf=START + 10, exp=START + 100)
    assert find_status(app, "/local", raw) == 401
    clock.shift(10)
    assert find_status(app, "/local", raw) == 200


# ── issuers that go wrong in the process ─────────────────────────────────────────────────────────────────────────


@pytest.mark.promise("GD-14")
@pytest.mark.parametrize("error", [ValueError, KeyError, RuntimeError, TimeoutError])
def test_an_issuer_in_this_process_that_breaks_is_an_outage(error):
    class Broken(MemoryIssuer):
        def introspect(self, raw):
            raise error(raw)

    issuer = Broken()
    app = build(issuer)
    for _again in range(3):
        response = ask(app, "/remote", issuer.mint())
        assert response.status_int == 503


@pytest.mark.promise("GD-20")
def test_retry_after_is_what_the_issuer_said(issuer):
    app = build(issuer)
    raw = issuer.mint()
    assert find_status(app, "/local", raw) == 200
    with issuer.outage(UnavailableError("busy", retry_after=17)):
        assert ask(app, "/remote", raw).headers["Retry-After"] == "17"
