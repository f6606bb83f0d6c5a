"""Answers of the issuer that are kept: for how long, for whom, and what ends them."""

from __future__ import annotations

import time
from functools import partial

import pytest
from pyramid.config import Configurator
from pyramid.request import Request

from pyramid_oauthguard.guard.events import AccessTokenAccepted
from pyramid_oauthguard.testing import ABSENT, bearer, trust
from tests.steady.apps import Distant, Held, build_trusting, find_only_verifier, in_threads

pytestmark = pytest.mark.slow

N = 60


def count(issuer):
    return issuer.calls["introspect"]


@pytest.fixture
def issuer():
    return Held()


@pytest.fixture
def api(issuer, clock):
    return build_trusting(issuer, cache__introspection__expiration_time=N)


@pytest.fixture(params=["jwt", "opaque"])
def mint(request, issuer):
    return issuer.mint if request.param == "jwt" else issuer.mint_opaque


def find_introspector(api):
    return find_only_verifier(api.registry, "remote")._introspector


@pytest.fixture(params=[1, 3], ids=["new", "in use"])
def warm(request, api):
    """Lets a token in as often as it takes to be found in the cache, or to be known at a glance."""

    def let_in(raw: str) -> None:
        assert api.ask_all("remote", [raw] * request.param) == {200: request.param}

    return let_in


# ── positive answers ─────────────────────────────────────────────────────────────────────────────────────────────


def test_an_answer_with_half_a_surrogate_pair_in_its_jti_is_kept_like_any_other(api, issuer, clock):
    raw = issuer.mint_opaque(jti="\ud800")  # a JWT that says so is refused before
    assert api.ask_all("remote", [raw] * 3) == {200: 3}
    assert count(issuer) == 1


@pytest.mark.promise("GD-17", "GD-18")
def test_an_answer_serves_for_its_time_and_hits_do_not_lengthen_it(api, issuer, clock, mint):
    raw = mint()
    for second in range(N):
        assert api.ask("remote", raw) == 200
        assert count(issuer) == 1, second
        clock.shift(1)
    assert api.ask("remote", raw) == 200
    assert count(issuer) == 2
    clock.shift(N)
    assert api.ask("remote", raw) == 200
    assert count(issuer) == 3


@pytest.mark.promise("GD-17")
def test_a_revocation_elsewhere_is_seen_within_its_time(clock):
    issuer = Distant()
    api = build_trusting(issuer, cache__introspection__expiration_time=N)
    raw = issuer.mint()
    assert api.ask("remote", raw) == 200
    issuer.revoke(raw)
    clock.shift(N - 1)
    assert api.ask("remote", raw) == 200
    clock.shift(1)
    assert api.ask("remote", raw) == 401


@pytest.mark.promise("GD-17")
def test_the_time_counts_from_when_the_call_began(issuer, clock):
    """The issuer may have made up its mind as soon as that, however long the answer took."""
    api = build_trusting(issuer, cache__introspection__expiration_time=N, http__timeout=30)
    raw = issuer.mint_opaque()
    issuer.hold()
    with in_threads(partial(api.ask, "remote", raw)) as [slow]:
        issuer.wait_for_call()
        clock.shift(40)
        issuer.let_go()
    assert slow.result() == 200
    clock.shift(19)
    assert (api.ask("remote", raw), count(issuer)) == (200, 1)
    clock.shift(1)
    assert (api.ask("remote", raw), count(issuer)) == (200, 2)


@pytest.mark.promise("GD-18")
def test_an_answer_does_not_outlive_its_token(api, issuer, clock, mint, warm):
    """Not even by the leeway: past its exp the issuer itself would say no."""
    raw = mint(exp=time.time() + 20)
    warm(raw)
    clock.shift(19)
    assert (api.ask("remote", raw), count(issuer)) == (200, 1)
    clock.shift(1)
    assert (api.ask("remote", raw), count(issuer)) == (401, 2)


@pytest.mark.promise("GD-16", "GD-18")
def test_an_answer_is_judged_again_at_each_hit(api, issuer, clock, warm):
    raw = issuer.mint_opaque()
    now = time.time()
    issuer.answer(raw, {"active": True, "aud": issuer.audience, "exp": now + 600, "nbf": now + 20, "jti": "a"})
    warm(raw)  # within the leeway of 30 seconds
    clock.shift(-10)  # as a clock is set right
    assert api.ask("remote", raw) == 200
    clock.shift(-10)
    assert api.ask("remote", raw) == 401


def test_an_answer_from_the_future_is_none(api, issuer, clock, mint, warm):
    raw = mint(iat=time.time() - 600)
    warm(raw)
    clock.shift(-300)
    assert (api.ask("remote", raw), count(issuer)) == (200, 2)


@pytest.mark.promise("GD-18", "GD-21")
def test_a_kept_answer_does_not_outlive_the_key_of_its_token(api, issuer, clock, warm):
    """The remote check is never laxer than the local one."""
    raw, key = issuer.mint(), issuer.signing_key
    warm(raw)
    issuer.rotate()
    issuer.withdraw(key.kid)
    assert (api.ask("local", raw), api.ask("remote", raw), count(issuer)) == (401, 401, 1)


def test_a_kept_answer_serves_where_no_token_is_remembered(issuer, clock):
    api = build_trusting(issuer, cache__introspection__expiration_time=N, cache__tokens__size=0)
    assert api.ask_all("remote", [issuer.mint(), issuer.mint_opaque()] * 5) == {200: 10}
    assert api.ask_all("remote", [issuer.mint()] * 5) == {200: 5}
    assert count(issuer) == 3
    assert find_introspector(api)._judged is None


@pytest.mark.promise("GD-17")
def test_what_is_known_to_be_inactive_is_not_let_in_by_an_older_answer(clock):
    """The cache had no room left for the answer; what was made of it was still remembered."""
    issuer = Distant()
    api = build_trusting(
        issuer,
        cache__introspection__expiration_time=N,
        cache__introspection__arguments__size=4,
        cache__inactive__expiration_time=0,
    )
    raw = issuer.mint_opaque()
    assert api.ask_all("remote", [raw] * 3) == {200: 3}
    assert api.ask_all("remote", [issuer.mint_opaque() for _ in range(5)]) == {200: 5}
    issuer.revoke(raw)
    other_spelling = Request.blank("/remote", headers={"Authorization": f"bearer {raw}"})
    assert other_spelling.get_response(api.app).status_int == 401
    assert api.ask("remote", raw) == 401


@pytest.mark.promise("GD-16")
@pytest.mark.parametrize(
    ("newer", "expected"), [({"sub": "newer"}, [200, 200]), ({"aud": "https://other.test"}, [401, 401])]
)
def test_an_older_answer_says_nothing_after_a_newer_one(clock, newer, expected):
    """The cache had no room left for the older one; what was made of it was still remembered, under one spelling."""
    issuer = Distant()
    api = build_trusting(issuer, cache__introspection__expiration_time=N, cache__introspection__arguments__size=4)
    raw = issuer.mint_opaque()
    older = {"active": True, "aud": issuer.audience, "exp": time.time() + 600, "sub": "older", "jti": "same"}
    issuer.answer(raw, older)
    assert api.ask_all("remote", [raw] * 3) == {200: 3}
    assert api.ask_all("remote", [issuer.mint_opaque() for _ in range(5)]) == {200: 5}
    issuer.answer(raw, older | newer)
    headers = [{"Authorization": f"{scheme} {raw}"} for scheme in ("bearer", "Bearer")]
    answers = [Request.blank("/remote", headers=each).get_response(api.app) for each in headers]
    assert [each.status_int for each in answers] == expected
    assert not any("older" in each.text for each in answers)


@pytest.mark.promise("GD-23")
def test_no_large_token_is_remembered_with_its_answer(api, issuer, clock):
    """Ten thousand of them would be gigabytes."""
    assert api.ask_all("remote", [issuer.mint(more="x" * 16_384)] * 4) == {200: 4}
    assert len(find_introspector(api)._judged) == 0
    assert api.ask_all("remote", [issuer.mint()] * 4) == {200: 4}
    assert len(find_introspector(api)._judged) == 1


def test_who_listens_hears_of_every_use_of_a_kept_answer(issuer, clock):
    heard = []
    config = Configurator(settings={**issuer.settings, "oauthguard.cache.introspection.expiration_time": N})
    config.include("pyramid_oauthguard")
    config.add_subscriber(heard.append, AccessTokenAccepted)
    config.add_route("remote", "/remote")
    config.add_view(lambda _request: "", route_name="remote", renderer="string", token_check="remote")
    app = config.make_wsgi_app()
    trust(app, issuer)
    raw = issuer.mint()
    for _ in range(4):
        assert Request.blank("/remote", headers=bearer(raw)).get_response(app).status_int == 200
    assert (len(heard), count(issuer)) == (4, 1)


@pytest.mark.promise("GD-18")
def test_a_refused_answer_is_not_kept(api, issuer, clock):
    raw = issuer.mint_opaque(aud="https://other.test")
    assert api.ask("remote", raw) == 401
    issuer.answer(raw, {"active": True, "aud": issuer.audience, "exp": time.time() + 600})
    assert api.ask("remote", raw) == 200


@pytest.mark.promise("GD-20")
def test_a_failure_is_not_kept(api, issuer, clock, mint):
    raw = mint()
    assert api.ask("local", issuer.mint()) == 200
    issuer.go_down()
    assert api.ask("remote", raw) == 503
    issuer.come_back()
    assert api.ask("remote", raw) == 200


def test_a_remembered_token_of_the_local_check_satisfies_no_remote_one(api, issuer, clock):
    raw = issuer.mint()
    assert api.ask("local", raw) == 200
    issuer.revoke(raw)
    assert api.ask("remote", raw) == 401
    assert api.ask("local", raw) == 200


# ── inactive answers ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.promise("GD-18")
@pytest.mark.parametrize("lifetime", [0, N], ids=["live", "cached"])
def test_the_same_inactive_token_is_asked_about_once(issuer, clock, mint, lifetime):
    api = build_trusting(issuer, cache__introspection__expiration_time=lifetime)
    raw = mint()
    issuer.revoke(raw)
    assert api.ask_all("remote", [raw] * 20) == {401: 20}
    assert count(issuer) == 1
    clock.shift(10)
    assert api.ask_all("remote", [raw] * 20) == {401: 20}
    assert count(issuer) == 2


def test_what_the_local_check_refuses_is_not_asked_about(api, issuer, clock):
    refused = [issuer.mint_expired(), issuer.mint_foreign(), issuer.mint_tampered(), issuer.mint(aud="other")]
    assert api.ask_all("remote", refused) == {401: 4}
    assert count(issuer) == 0
    assert api.ask_all("remote", ["a.b.c"]) == {401: 1}
    assert count(issuer) == 1, "what looks like a JWT and is none may be an opaque token"


@pytest.mark.promise("GD-18", "GD-23")
def test_inactive_tokens_do_not_crowd_out_good_ones(issuer, clock):
    api = build_trusting(
        issuer,
        cache__introspection__expiration_time=N,
        cache__introspection__arguments__size=100,
        cache__inactive__arguments__size=100,
    )
    good = [issuer.mint() for _ in range(5)]
    assert api.ask_all("remote", good) == {200: 5}
    assert api.ask_all("remote", (f"made-up-{number}" for number in range(1_000))) == {401: 1_000}
    assert api.ask_all("remote", good) == {200: 5}
    assert count(issuer) == 5 + 1_000


# ── revocation in this process ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.promise("GD-17")
def test_a_revocation_in_this_process_evicts_at_once(api, issuer, clock, mint):
    raw, other = mint(), mint()
    assert api.ask_all("remote", [raw, other] * 3) == {200: 6}
    issuer.revoke(raw)
    assert api.ask("remote", raw) == 401
    assert (api.ask("remote", other), count(issuer)) == (200, 3)


@pytest.mark.promise("GD-17")
def test_a_revocation_evicts_an_answer_on_its_way(clock):
    issuer = Held(early=True)
    api = build_trusting(issuer, cache__introspection__expiration_time=N, http__timeout=30)
    raw = issuer.mint_opaque()
    issuer.hold()
    with in_threads(partial(api.ask, "remote", raw)) as [before]:
        issuer.wait_for_call()
        issuer.revoke(raw)
        issuer.let_go()
    assert before.result() == 200  # asked before the revocation
    assert api.ask("remote", raw) == 401


@pytest.mark.promise("GD-17")
def test_a_token_in_constant_use_is_evicted_however_many_others_came_since(issuer, clock):
    """Its answer is kept because it is used; what leads from its jti to the answer is not, and once was lost."""
    api = build_trusting(issuer, cache__introspection__expiration_time=N, cache__introspection__arguments__size=20)
    busy = issuer.mint()
    for _ in range(60):
        assert api.ask_all("remote", [busy, issuer.mint_opaque()]) == {200: 2}
    assert count(issuer) == 61
    issuer.revoke(busy)
    assert api.ask("remote", busy) == 401


@pytest.mark.promise("GD-17", "GD-23")
def test_a_mass_revocation_evicts_everything_and_is_not_remembered_for_ever(api, issuer, clock, warm):
    tokens = [issuer.mint_opaque(jti=f"id-{number}") for number in range(50)]
    for raw in tokens:
        warm(raw)
    for raw in tokens:
        issuer.answer(raw, {"active": False})
    [listener] = issuer._listeners
    listener.tokens_revoked([f"id-{number}" for number in range(25_000)])
    assert api.ask_all("remote", tokens) == {401: 50}
    assert len(find_introspector(api)._revoked) <= 10_000
    clock.shift(1)
    new = issuer.mint()
    before = count(issuer)
    assert api.ask_all("remote", [new] * 3) == {200: 3}
    assert count(issuer) == before + 1  # kept again


@pytest.mark.promise("GD-17")
def test_a_mass_revocation_while_the_clock_is_set_back_holds_when_it_has_caught_up(api, issuer, clock, warm):
    raw = issuer.mint_opaque(jti="id-0", iat=time.time() - 600)
    warm(raw)
    clock.shift(-20)
    issuer.answer(raw, {"active": False})
    [listener] = issuer._listeners
    listener.tokens_revoked([f"id-{number}" for number in range(25_000)])
    clock.shift(25)
    assert api.ask("remote", raw) == 401


def test_a_token_without_jti_serves_for_its_time(api, issuer, clock):
    raw = issuer.mint_opaque(jti=ABSENT)
    assert api.ask_all("remote", [raw] * 3) == {200: 3}
    assert count(issuer) == 1
    [listener] = issuer._listeners
    listener.tokens_revoked(["None", ""])
    assert (api.ask("remote", raw), count(issuer)) == (200, 1)


@pytest.mark.promise("GD-17")
def test_two_tokens_of_one_jti_are_both_evicted(api, issuer, clock):
    one, other = issuer.mint_opaque(jti="same"), issuer.mint_opaque(jti="same")
    assert api.ask_all("remote", [one, other] * 2) == {200: 4}
    issuer.answer(one, {"active": False})
    issuer.revoke(other)
    assert api.ask_all("remote", [one, other]) == {401: 2}
