"""The life of a key set: fetched once for all, renewed before it lapses, kept while the issuer can't be reached, never too long."""

from __future__ import annotations

import threading
import time
from functools import partial
from random import Random

import pytest

from pyramid_oauthguard import UnavailableError
from pyramid_oauthguard.interfaces import KeyDocument
from pyramid_oauthguard.testing import ABSENT, generate_key
from tests.steady.apps import (
    ALGORITHM,
    DAY,
    Api,
    Distant,
    Held,
    build_trusting,
    in_threads,
    run_at_once,
    time_of,
    wait_until,
)

pytestmark = pytest.mark.slow

HOUR = 3_600
COOLDOWN = 30


def mint(issuer, **claims):
    """A token that outlives every test."""
    return issuer.mint(exp=time.time() + 40 * DAY, **claims)


def mint_unknown(issuer, count):
    return [issuer.mint(header={"kid": f"made-up-{number}"}) for number in range(count)]


@pytest.fixture
def issuer():
    return Distant()


@pytest.fixture
def api(issuer, clock):
    return build_trusting(issuer)


@pytest.fixture
def good(issuer, api):
    """A token whose key the application knows."""
    token = mint(issuer)
    assert api.ask("local", token) == 200
    issuer.calls.clear()
    return token


# ── unknown kids and failures ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.promise("GD-76")
def test_unknown_kids_cost_one_fetch_and_one_extra_attempt_a_cool_down(api, issuer, clock, good):
    assert api.ask_all("local", mint_unknown(issuer, 100)) == {401: 100}
    assert issuer.calls["fetch_keys"] == 1  # the extra one, for the set was fetched a moment ago
    for fetches in (3, 5, 7):
        clock.shift(COOLDOWN)
        assert api.ask_all("local", [*mint_unknown(issuer, 100), good]) == {401: 100, 200: 1}
        assert issuer.calls["fetch_keys"] == fetches


@pytest.mark.promise("GD-76")
def test_no_thirty_seconds_see_more_than_two_fetches_whatever_comes_when(api, issuer, clock, good):
    random, fetched_at = Random(7), []  # noqa: S311  # the same each time
    for _request in range(600):
        clock.shift(random.choice([0, 0.1, 1, 5, 14, 29.9, 31]))
        if random.random() < 0.05:
            issuer.rotate()
        before = issuer.calls["fetch_keys"]
        kid = random.choice([None, f"made-up-{random.random()}"])
        api.ask("local", mint(issuer, header={"kid": kid} if kid else {}))
        fetched_at += [time.time()] * (issuer.calls["fetch_keys"] - before)
    assert len(fetched_at) > 50
    assert all(later - earlier >= COOLDOWN for earlier, later in zip(fetched_at, fetched_at[2:], strict=False))


def test_an_unknown_kid_on_a_cold_start_costs_one_fetch(api, issuer, clock):
    """That fetch was made for it."""
    assert api.ask_all("local", mint_unknown(issuer, 1)) == {401: 1}
    assert issuer.calls["fetch_keys"] == 1


@pytest.mark.promise("GD-76")
def test_a_key_that_signs_just_after_the_set_was_fetched_is_found_at_its_first_token(api, issuer, clock, good):
    """As after a rotation at once, or a revocation."""
    issuer.withdraw()
    issuer.rotate()
    assert api.ask("local", mint(issuer)) == 200
    assert api.ask("local", good) == 401
    assert issuer.calls["fetch_keys"] == 1


@pytest.mark.promise("GD-76")
def test_unknown_kids_delay_a_new_key_by_one_cool_down_at_the_most(api, issuer, clock, good):
    assert api.ask_all("local", mint_unknown(issuer, 100)) == {401: 100}
    issuer.rotate()
    new = mint(issuer)
    assert api.ask("local", new) == 401
    clock.shift(COOLDOWN - 1)
    assert api.ask_all("local", [*mint_unknown(issuer, 100), new]) == {401: 101}
    clock.shift(1)
    assert api.ask_all("local", [*mint_unknown(issuer, 100), new]) == {401: 100, 200: 1}


@pytest.mark.promise("GD-76", "GD-20")
def test_an_extra_attempt_that_fails_cools_down_as_any_other(api, issuer, clock, good):
    clock.shift(1)
    issuer.go_down()
    assert api.ask_all("local", [*mint_unknown(issuer, 100), good]) == {503: 100, 200: 1}
    assert issuer.calls["fetch_keys"] == 1
    issuer.come_back()
    clock.shift(COOLDOWN - 1)
    assert api.ask_all("local", [*mint_unknown(issuer, 100), good]) == {503: 100, 200: 1}
    assert issuer.calls["fetch_keys"] == 1
    clock.shift(1)
    assert api.ask_all("local", [*mint_unknown(issuer, 100), good]) == {401: 100, 200: 1}
    assert issuer.calls["fetch_keys"] == 3


@pytest.mark.promise("GD-76")
def test_unknown_kids_cost_one_attempt_a_cool_down_while_the_issuer_is_down(api, issuer, clock, good):
    issuer.go_down()
    for attempts in (1, 2, 3):
        clock.shift(COOLDOWN)
        assert api.ask_all("local", [*mint_unknown(issuer, 100), good]) == {503: 100, 200: 1}
        assert issuer.calls["fetch_keys"] == attempts


@pytest.mark.promise("GD-76", "GD-22")
def test_unknown_kids_of_many_at_once_cost_no_more(api, issuer, clock, good):
    clock.shift(COOLDOWN)
    statuses = run_at_once(partial(api.ask, "local", raw) for raw in mint_unknown(issuer, 48))
    assert statuses == [401] * 48
    assert issuer.calls["fetch_keys"] in (1, 2)  # the extra one where a thread came when the first had begun


@pytest.mark.promise("GD-76")
def test_unknown_kids_do_not_evict_a_good_key(api, issuer, clock, good):
    clock.shift(COOLDOWN)
    api.ask_all("local", mint_unknown(issuer, 600))  # more than headers are remembered
    issuer.go_down()
    assert api.ask("local", mint(issuer)) == 200


@pytest.mark.promise("GD-76")
def test_a_failure_cools_down_when_nothing_is_known(api, issuer, clock):
    issuer.go_down()
    token = mint(issuer)
    for attempts in (1, 2, 3):
        assert api.ask_all("local", [token] * 20) == {503: 20}
        assert issuer.calls["fetch_keys"] == attempts
        clock.shift(COOLDOWN)
    issuer.come_back()
    assert api.ask_all("local", [token] * 20) == {200: 20}
    assert issuer.calls["fetch_keys"] == 4


def test_a_new_key_is_found_at_its_first_token(api, issuer, clock, good):
    clock.shift(COOLDOWN)
    issuer.rotate()
    assert api.ask("local", mint(issuer)) == 200
    assert api.ask("local", good) == 200
    assert issuer.calls["fetch_keys"] == 1


# ── what never replaces a good set ───────────────────────────────────────────────────────────────────────────────


def mint_nameless(issuer, key):
    return mint(issuer, key=key, header={"kid": ABSENT})


class Nameless(Distant):
    """An issuer whose keys have no names."""

    def fetch_keys(self):
        found = super().fetch_keys()
        keys = tuple({name: value for name, value in key.items() if name != "kid"} for key in found.keys)
        return KeyDocument(keys, found.max_age)


@pytest.mark.promise("GD-76")
def test_a_new_key_without_a_name_is_found_at_its_first_token(clock):
    """After a rotation, an issuer that names no keys was refused for as long as the set was kept."""
    issuer = Nameless()
    api, old = build_trusting(issuer), issuer.signing_key
    assert api.ask("local", mint_nameless(issuer, old)) == 200
    new = issuer.rotate()
    issuer.withdraw(old.kid)
    assert api.ask("local", mint_nameless(issuer, new)) == 200
    assert issuer.calls["fetch_keys"] == 2
    assert api.ask("local", mint_nameless(issuer, old)) == 401


@pytest.mark.promise("GD-76", "GD-20")
def test_forged_tokens_that_name_no_key_cost_no_more_than_unknown_kids(api, issuer, clock, good):
    forged = [mint_nameless(issuer, generate_key(ALGORITHM)) for _ in range(20)]
    assert api.ask_all("local", [*forged, good]) == {401: 20, 200: 1}
    assert issuer.calls["fetch_keys"] == 1
    clock.shift(COOLDOWN)
    assert api.ask_all("local", [*mint_unknown(issuer, 5), *forged, good]) == {401: 25, 200: 1}
    assert issuer.calls["fetch_keys"] == 3
    named = mint(issuer, key=generate_key(ALGORITHM), header={"kid": issuer.signing_key.kid})
    clock.shift(COOLDOWN)
    assert api.ask_all("local", [*mint_unknown(issuer, 5), named, *forged, named, good]) == {401: 27, 200: 1}
    assert issuer.calls["fetch_keys"] == 5, "the two of this cool-down"
    issuer.go_down()
    clock.shift(COOLDOWN)
    assert api.ask_all("local", [good, forged[0], named]) == {200: 1, 503: 1, 401: 1}


@pytest.mark.promise("GD-76")
def test_a_new_key_with_the_name_of_the_old_one_is_found_after_one_cool_down(api, issuer, clock, good):
    """An issuer that always calls its key the same was refused for as long as the set was kept. Until then, forged tokens cost
    no fetch.
    """
    old = issuer.signing_key
    forged = mint(issuer, key=generate_key(ALGORITHM), header={"kid": old.kid})
    assert api.ask_all("local", [forged] * 20) == {401: 20}
    assert issuer.calls["fetch_keys"] == 0
    issuer.withdraw()
    new = generate_key(ALGORITHM, kid=old.kid)
    issuer.publish(new.jwk)
    assert api.ask("local", issuer.mint(key=new)) == 401
    clock.shift(COOLDOWN)
    assert api.ask("local", issuer.mint(key=new)) == 200
    assert api.ask_all("local", [forged] * 20) == {401: 20}
    assert issuer.calls["fetch_keys"] == 1
    assert api.ask("local", good) == 401
    assert api.ask("local", issuer.mint(key=new)) == 200


@pytest.mark.promise("GD-76")
@pytest.mark.parametrize("kind", ["named", "nameless"])
def test_a_new_key_of_another_algorithm_is_found_like_any_other(clock, kind):
    """An issuer that went from one algorithm to another and did not change the name of its key, or that names no keys, was refused
    for as long as the set was kept.
    """
    issuer = Distant() if kind == "named" else Nameless()
    api, old = build_trusting(issuer), issuer.signing_key
    header = {"kid": old.kid if kind == "named" else ABSENT}
    assert api.ask("local", mint(issuer, key=old, header=header)) == 200
    issuer.withdraw()
    new = generate_key("ES384", kid=old.kid)
    issuer.publish(new.jwk)
    later = mint(issuer, key=new, header=header)
    assert api.ask("local", later) == (401 if kind == "named" else 200)
    clock.shift(COOLDOWN)
    assert api.ask("local", later) == 200
    assert issuer.calls["fetch_keys"] == 2


@pytest.mark.promise("GD-76", "GD-20")
def test_tokens_of_an_algorithm_for_which_there_is_no_key_cost_no_more_than_unknown_kids(api, issuer, clock, good):
    other = generate_key("ES384", kid=issuer.signing_key.kid)
    named, nameless = mint(issuer, key=other), mint_nameless(issuer, other)
    clock.shift(COOLDOWN)
    assert api.ask_all("local", [*[named, nameless] * 20, good]) == {401: 40, 200: 1}
    assert issuer.calls["fetch_keys"] == 2, "one in each cool-down, and one extra"
    issuer.go_down()
    clock.shift(COOLDOWN)
    assert api.ask_all("local", [good, named]) == {200: 1, 401: 1}


@pytest.mark.promise("GD-20")
@pytest.mark.parametrize(
    "published",
    [
        [],
        [{}],
        [{"kty": "oct", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0", "kid": "a"}],
        [{"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA"}],
        ["nonsense", 7, None],
    ],
    ids=["none", "empty", "symmetric", "post-quantum", "nonsense"],
)
@pytest.mark.parametrize("away", [COOLDOWN, 2 * HOUR], ids=["unknown kid", "expired"])
def test_a_set_without_a_usable_key_replaces_nothing(api, issuer, clock, good, published, away):
    key = issuer.signing_key
    issuer.withdraw()
    issuer.publish(*published)
    clock.shift(away)
    assert api.ask("local", mint_unknown(issuer, 1)[0]) == 503
    assert api.ask("local", good) == 200
    assert api.ask("local", mint(issuer, sub="somebody-new")) == 200
    assert issuer.calls["fetch_keys"] == 1
    issuer.publish(key.jwk)
    clock.shift(COOLDOWN)
    assert api.ask("local", mint_unknown(issuer, 1)[0]) == 401  # well again: nobody has such a key


@pytest.mark.promise("GD-20")
@pytest.mark.parametrize("error", [RuntimeError("odd"), UnavailableError("bad_jwks"), RecursionError()])
def test_whatever_an_issuer_raises_is_an_outage(api, issuer, clock, good, error):
    issuer.go_down(error)
    clock.shift(2 * HOUR)
    assert api.ask_all("local", [good, mint(issuer)]) == {200: 2}
    assert issuer.calls["fetch_keys"] == 1
    assert api.ask("local", mint_unknown(issuer, 1)[0]) == 503


# ── renewal ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_set_is_renewed_in_the_background_before_it_lapses(clock):
    issuer = Held(tells=False)
    api = build_trusting(issuer)
    good = mint(issuer)
    assert api.ask("local", good) == 200
    issuer.rotate()
    new = mint(issuer)
    issuer.hold()
    clock.shift(0.9 * HOUR)
    assert api.ask("local", good) == 200  # with the old set
    issuer.wait_for_call()
    assert api.ask_all("local", [good] * 50) == {200: 50}
    issuer.let_go()
    wait_until(lambda: api.ask("local", new) == 200)
    assert issuer.calls["fetch_keys"] == 2


def test_a_renewal_that_fails_is_not_felt(clock):
    issuer = Distant()
    api = build_trusting(issuer)
    good = mint(issuer)
    assert api.ask("local", good) == 200
    issuer.go_down()
    for minute in range(60, 23 * 60, 10):  # within max_stale of a day
        clock.shift(600)
        assert api.ask_all("local", [good, mint(issuer)]) == {200: 2}, minute
    assert issuer.calls["fetch_keys"] < 200


def test_a_machine_without_threads_to_spare_serves_on(api, issuer, clock, good, monkeypatch):
    def refuse(_thread):
        raise RuntimeError("can't start new thread")

    clock.shift(0.9 * HOUR)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        assert api.ask("local", good) == 200
    assert api.ask("local", good) == 200
    wait_until(lambda: issuer.calls["fetch_keys"] == 1)


def test_a_quiet_night_ends_with_one_fetch(api, issuer, clock, good):
    issuer.rotate()
    clock.shift(10 * HOUR)
    assert run_at_once([partial(api.ask, "local", mint(issuer)) for _ in range(16)]) == [200] * 16
    assert issuer.calls["fetch_keys"] == 1


@pytest.mark.promise("GD-20")
def test_a_quiet_night_with_the_issuer_down_ends_well(api, issuer, clock, good):
    issuer.go_down()
    clock.shift(10 * HOUR)
    assert run_at_once([partial(api.ask, "local", good) for _ in range(16)]) == [200] * 16
    assert issuer.calls["fetch_keys"] == 1


# ── the end of a set ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.promise("GD-20")
def test_the_last_good_set_serves_for_max_stale(clock):
    issuer = Distant()
    api = build_trusting(issuer, keys__max_stale="2h")
    good = mint(issuer)
    assert api.ask("local", good) == 200
    issuer.go_down()
    for _ in range(119):
        clock.shift(60)
        assert api.ask_all("local", [good, mint(issuer)]) == {200: 2}
    clock.shift(60)
    assert api.ask_all("local", [good, mint(issuer)]) == {503: 2}
    issuer.come_back()
    clock.shift(COOLDOWN)
    assert api.ask_all("local", [good, mint(issuer)]) == {200: 2}


@pytest.mark.promise("GD-21")
@pytest.mark.parametrize("pause", [30, 60, 600, 1_799, HOUR, 5 * HOUR])
def test_a_withdrawn_key_is_out_within_the_cache_time(api, issuer, clock, good, pause):
    """However often the application is used, also for a token that it remembers."""
    withdrawn = issuer.signing_key
    issuer.rotate()
    issuer.withdraw(withdrawn.kid)
    for _ in range(0, HOUR - pause, pause):
        clock.shift(pause)
        assert set(api.ask_all("local", [good, issuer.mint(key=withdrawn)])) <= {200, 401}
    clock.shift(pause)
    clock.shift(HOUR % pause if pause < HOUR else 0)
    assert api.ask_all("local", [good, issuer.mint(key=withdrawn)]) == {401: 2}


@pytest.mark.promise("GD-21")
def test_a_withdrawn_key_is_out_within_its_own_max_age(clock):
    issuer = Distant()
    issuer.max_age = 120
    api = build_trusting(issuer)
    good, withdrawn = mint(issuer), issuer.signing_key
    assert api.ask("local", good) == 200
    issuer.rotate()
    issuer.withdraw(withdrawn.kid)
    clock.shift(119)
    assert api.ask("local", good) == 200
    wait_until(lambda: issuer.calls["fetch_keys"] == 2)  # renewed ahead
    clock.shift(1)
    assert api.ask("local", good) == 401


@pytest.mark.promise("GD-21")
def test_a_key_withdrawn_in_this_process_is_out_at_once(clock):
    issuer = Held()
    api = build_trusting(issuer)
    good, withdrawn = mint(issuer), issuer.signing_key
    assert api.ask("local", good) == 200
    issuer.rotate()
    issuer.withdraw(withdrawn.kid)
    assert api.ask_all("local", [good, issuer.mint(key=withdrawn)]) == {401: 2}


@pytest.mark.promise("GD-21")
def test_a_key_withdrawn_in_this_process_while_its_set_is_on_its_way_is_out_at_once(clock):
    issuer = Held(early=True)
    api = build_trusting(issuer)
    good, withdrawn = mint(issuer), issuer.signing_key
    issuer.hold()
    with in_threads(partial(api.ask, "local", good)) as [first]:
        issuer.wait_for_call()  # the old keys are decided, but not yet there
        with in_threads(lambda: (issuer.rotate(), issuer.withdraw(withdrawn.kid))) as [withdrawal]:
            time.sleep(0.02)
            issuer.let_go()
            withdrawal.result(10)
    assert first.result() in {200, 401}
    assert api.ask("local", good) == 401


@pytest.mark.promise("GD-21")
def test_a_key_that_comes_back_under_its_old_name_with_another_secret(api, issuer, clock, good):
    old = issuer.signing_key
    issuer.withdraw()
    new = generate_key(ALGORITHM, kid=old.kid)
    issuer.publish(new.jwk)
    clock.shift(HOUR)
    assert api.ask("local", good) == 401
    assert api.ask("local", issuer.mint(key=new)) == 200


@pytest.mark.promise("GD-21")
@pytest.mark.parametrize("ahead", [60, HOUR, 30 * DAY])
def test_a_clock_that_is_set_right_brings_no_key_back(api, issuer, clock, ahead):
    """Everything fetched while it was ahead looks fresh for long, and every attempt as if it lay in the future."""
    clock.shift(ahead)
    old = issuer.mint(exp=time.time() + 40 * DAY, iat=time.time() - ahead)
    assert api.ask("local", old) == 200
    clock.shift(-ahead)
    withdrawn = issuer.signing_key
    issuer.rotate()
    issuer.withdraw(withdrawn.kid)
    assert api.ask("local", mint(issuer)) == 200
    assert api.ask("local", old) == 401


def test_a_clock_that_is_set_right_ends_no_outage_later(api, issuer, clock):
    clock.shift(30 * DAY)
    issuer.go_down()
    assert api.ask("local", mint(issuer)) == 503
    clock.shift(-30 * DAY)
    issuer.come_back()
    assert api.ask("local", mint(issuer)) == 200


@pytest.mark.promise("GD-20")
def test_a_clock_that_is_set_right_during_an_outage_leaves_the_last_good_set(api, issuer, clock):
    clock.shift(30 * DAY)
    assert api.ask("local", mint(issuer)) == 200
    clock.shift(-30 * DAY)
    issuer.go_down()
    assert api.ask_all("local", [mint(issuer) for _ in range(3)]) == {200: 3}
    assert issuer.calls["fetch_keys"] == 2


@pytest.mark.parametrize(
    ("max_age", "fetched_again_at"),
    [(None, HOUR), (600, 600), (0, COOLDOWN), (1, COOLDOWN), (10 * DAY, HOUR), (999_999_999, HOUR)],
)
def test_max_age_is_respected_within_bounds(server, clock, max_age, fetched_again_at):
    """Not longer than the cache is configured for, not more often than the cool-down allows."""
    server.issuer.max_age = max_age
    api = Api(server.settings)
    good = mint(server.issuer)
    assert api.ask("local", good) == 200
    clock.shift(0.79 * fetched_again_at)
    assert api.ask("local", good) == 200
    assert server.calls["keys"] == 1
    clock.shift(0.21 * fetched_again_at + 0.1)
    assert api.ask("local", good) == 200
    wait_until(lambda: server.calls["keys"] == 2)


# ── nobody waits for another party's trouble ─────────────────────────────────────────────────────────────────────


@pytest.fixture
def held(clock):
    issuer = Held(tells=False)
    yield issuer
    issuer.let_go()


@pytest.mark.promise("GD-76")
def test_good_tokens_go_on_while_an_unknown_kid_is_looked_for(held, clock):
    api = build_trusting(held)
    good = [mint(held, sub=str(number)) for number in range(40)]
    assert api.ask("local", good[0]) == 200
    clock.shift(COOLDOWN)
    held.hold()
    with in_threads(partial(api.ask, "local", mint_unknown(held, 1)[0])) as [lost]:
        held.wait_for_call()
        idle = time_of(lambda: api.ask_all("open", good))
        assert time_of(lambda: api.ask_all("local", good)) < 20 * idle + 0.5  # known ones and 39 new ones
        assert api.ask_all("local", good) == {200: 40}
        assert not lost.done()
        held.let_go()
    assert lost.result() == 401


@pytest.mark.promise("GD-76")
def test_who_comes_late_with_an_unknown_kid_does_not_wait_for_an_issuer_that_hangs(held, clock):
    api = build_trusting(held)
    assert api.ask("local", mint(held)) == 200
    clock.shift(COOLDOWN)
    held.hold()
    tokens = mint_unknown(held, 30)
    with in_threads(*(partial(api.ask, "local", raw) for raw in tokens[:20])) as first:
        held.wait_for_call()
        wait_until(lambda: sum(each.done() for each in first) == 19)  # all but who fetches
        assert time_of(lambda: api.ask_all("local", tokens[20:])) < 2  # ten, one after the other
        held.let_go()
    assert sorted(each.result() for each in first) == [401] + [503] * 19
    assert held.calls["fetch_keys"] == 2


def test_one_thread_alone_asks_an_issuer_that_was_down(held, clock):
    api = build_trusting(held)
    held.go_down()
    good = mint(held)
    assert api.ask("local", good) == 503
    clock.shift(COOLDOWN)
    held.hold()
    with in_threads(partial(api.ask, "local", good)) as [probe]:
        held.wait_for_call()
        assert time_of(lambda: api.ask_all("local", [good] * 10)) < 2
        assert api.ask("local", good) == 503
        held.come_back()
        held.let_go()
    assert probe.result() == 200
    assert api.ask("local", good) == 200


@pytest.mark.promise("GD-20")
def test_the_last_good_set_serves_while_one_thread_asks_an_issuer_that_was_down(held, clock):
    api = build_trusting(held)
    good = mint(held)
    assert api.ask("local", good) == 200
    held.go_down()
    clock.shift(2 * HOUR)
    assert api.ask("local", good) == 200
    clock.shift(2 * HOUR)  # idle again, so that the next one asks before it goes on
    held.hold()
    with in_threads(partial(api.ask, "local", good)) as [probe]:
        held.wait_for_call()
        assert time_of(lambda: api.ask_all("local", [good] * 10)) < 2
        assert api.ask("local", good) == 200
        assert not probe.done()
        held.let_go()
    assert probe.result() == 200


@pytest.mark.promise("GD-22")
def test_a_cold_start_of_many_makes_one_fetch(held, clock):
    api = build_trusting(held)
    held.hold()
    tokens = [mint(held) for _ in range(32)]
    with in_threads(*(partial(api.ask, "local", raw) for raw in tokens)) as waiting:
        held.wait_for_call()
        time.sleep(0.05)
        held.let_go()
    assert [each.result() for each in waiting] == [200] * 32
    assert held.calls["fetch_keys"] == 1
