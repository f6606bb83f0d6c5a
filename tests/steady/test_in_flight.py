"""A slow issuer occupies no more threads than it may: the others answer requests that need nothing of it."""

from __future__ import annotations

import gc
import threading
from functools import partial

import pytest
from zope.interface import alsoProvides

from pyramid_oauthguard import UnavailableError
from pyramid_oauthguard.interfaces import IEmbeddedIssuer
from pyramid_oauthguard.issuers.in_flight import InFlight
from tests.guard.guarding import find_setting_error
from tests.steady.apps import (
    Api,
    Caller,
    Distant,
    Held,
    build_trusting,
    find_only_verifier,
    in_threads,
    serve,
    wait_until,
)

pytestmark = pytest.mark.slow

THREADS = 16
REMOTE_CALLERS = 30
DEFAULT = {"introspection__max_in_flight": ""}


@pytest.fixture
def held():
    issuer = Held()
    yield issuer
    issuer.let_go()


def count_arrived(issuer):
    count = 0
    while issuer.arrived.acquire(timeout=0.05):
        count += 1
    return count


# ── a server with 16 threads ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("same", [True, False], ids=["one token", "a token each"])
def test_local_checks_are_answered_while_a_slow_issuer_answers_nothing(held, same):
    api = build_trusting(held, http__timeout=30, **DEFAULT)
    good = held.mint()
    assert api.ask("local", good) == 200
    raw = held.mint_opaque()
    tokens = [raw if same else held.mint_opaque() for _ in range(REMOTE_CALLERS)]
    with serve(api.app, threads=THREADS) as url:
        callers = Caller(url)
        held.hold()
        with in_threads(*(partial(callers.ask, "remote", each) for each in tokens)) as remote:
            wait_until(lambda: sum(each.done() for each in remote) >= REMOTE_CALLERS - THREADS // 2)
            for _ in range(3):
                assert [callers.ask("local", good) for _ in range(20)] == [200] * 20
                assert callers.ask("open") == 200
            refused = [each.result() for each in remote if each.done()]
            assert set(refused) == {503}
            held.let_go()
            answers = [each.result(20) for each in remote]
        callers.close()
    assert answers.count(200) == REMOTE_CALLERS - len(refused) <= THREADS // 2
    assert answers.count(200) >= 1


def test_the_default_is_half_of_the_threads_that_make_remote_checks(held):
    api = build_trusting(held, http__timeout=30, **DEFAULT)
    with serve(api.app, threads=THREADS) as url:
        callers = Caller(url)
        for _ in range(20):  # until every thread of the server was seen
            with in_threads(*[partial(callers.ask, "remote", held.mint_opaque()) for _ in range(THREADS)]):
                pass
        held.hold()
        with in_threads(*[partial(callers.ask, "remote", held.mint_opaque()) for _ in range(REMOTE_CALLERS)]) as remote:
            wait_until(lambda: sum(each.done() for each in remote) >= REMOTE_CALLERS - THREADS // 2)
            assert count_arrived(held) == THREADS // 2
            held.let_go()
        callers.close()


# ── what counts ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("limit", [1, 2, 5])
@pytest.mark.parametrize("same", [True, False], ids=["one token", "a token each"])
def test_a_check_beyond_the_limit_is_refused_at_once(held, limit, same):
    """A caller that waits for the answer to another one's call occupies a thread, too."""
    api = build_trusting(held, http__timeout=30, introspection__max_in_flight=limit)
    tokens = [held.mint_opaque()] * limit if same else [held.mint_opaque() for _ in range(limit)]
    held.hold()
    with in_threads(*(partial(api.ask, "remote", raw) for raw in tokens)) as waiting:
        wait_until(lambda: find_waiting(api) == limit)
        for raw in (tokens[0], held.mint_opaque()):
            answer = api.send("remote", raw)
            assert (answer.status_int, answer.headers["Retry-After"]) == (503, "1")
        held.let_go()
        assert [each.result(10) for each in waiting] == [200] * limit
    assert find_waiting(api) == 0
    assert api.ask("remote", held.mint_opaque()) == 200


def find_waiting(api):
    return find_only_verifier(api.registry, "remote")._introspector._in_flight._waiting


def test_one_thread_may_always_ask():
    issuer = Distant()
    api = build_trusting(issuer, **DEFAULT)
    assert api.ask_all("remote", [issuer.mint_opaque() for _ in range(20)]) == {200: 20}


def test_a_check_that_fails_gives_its_place_back():
    issuer = Distant()
    api = build_trusting(issuer, introspection__max_in_flight=1)
    issuer.go_down()
    assert api.ask_all("remote", [issuer.mint_opaque() for _ in range(5)]) == {503: 5}
    issuer.go_down(RuntimeError("odd"))
    assert api.ask_all("remote", [issuer.mint_opaque() for _ in range(5)]) == {503: 5}
    issuer.come_back()
    assert api.ask_all("remote", [issuer.mint_opaque(), "no-such-token"]) == {200: 1, 401: 1}


@pytest.mark.parametrize("kept", ["introspection", "inactive"])
def test_kept_answers_are_given_however_many_checks_wait(held, kept):
    api = build_trusting(
        held, http__timeout=30, introspection__max_in_flight=1, cache__introspection__expiration_time=60
    )
    known = held.mint_opaque() if kept == "introspection" else "no-such-token"
    status = 200 if kept == "introspection" else 401
    assert api.ask("remote", known) == status
    held.hold()
    with in_threads(partial(api.ask, "remote", held.mint_opaque())):
        held.wait_for_call()
        wait_until(lambda: find_waiting(api) == 1)
        assert api.ask_all("remote", [known] * 3) == {status: 3}
        held.let_go()


def test_each_issuer_has_a_count_of_its_own(held):
    slow = build_trusting(held, http__timeout=30, introspection__max_in_flight=1)
    other = Distant("https://other.test")
    quick = build_trusting(other, introspection__max_in_flight=1)
    held.hold()
    with in_threads(partial(slow.ask, "remote", held.mint_opaque())):
        held.wait_for_call()
        assert quick.ask("remote", other.mint_opaque()) == 200
        held.let_go()


def test_an_issuer_in_the_same_process_is_bounded_only_where_that_is_set(held):
    """It answers in the thread that asks. There is nothing to wait for."""
    alsoProvides(held, IEmbeddedIssuer)
    for more, expected in ((DEFAULT, [200] * 4), ({"introspection__max_in_flight": 1}, [200, 503, 503, 503])):
        api = build_trusting(held, http__timeout=30, **more)
        held.let_go()
        held.hold()
        with in_threads(*[partial(api.ask, "remote", held.mint_opaque()) for _ in range(4)]) as asked:
            wait_until(lambda api=api, more=more: find_waiting(api) == (4 if more is DEFAULT else 1))
            if more is not DEFAULT:
                wait_until(lambda asked=asked: sum(each.done() for each in asked) == 3)
            held.let_go()
            assert sorted(each.result(10) for each in asked) == expected


# ── the limit by itself ──────────────────────────────────────────────────────────────────────────────────────────


def test_threads_that_ended_do_not_count():
    bound = InFlight(None, is_embedded=lambda: False)

    def ask():
        with bound.occupy():
            pass

    for _ in range(20):
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
    del thread
    gc.collect()
    with bound.occupy(), pytest.raises(UnavailableError) as caught, bound.occupy():
        pass
    assert caught.value.reason == "too_many_checks"


# ── the setting ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5", 0, True])
def test_a_limit_that_lets_no_check_through_stops_start_up(value):
    issuer = Distant()
    error = find_setting_error(lambda: Api(issuer.settings, introspection__max_in_flight=value))
    assert error.key == "oauthguard.introspection.max_in_flight"
