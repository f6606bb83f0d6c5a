"""Many requests at once: they share what they may share, and nobody is answered from before they came."""

from __future__ import annotations

import ctypes
import threading
import time
from functools import partial

import pytest

from tests.issuers import HTTPIssuer
from tests.steady.apps import (
    ALGORITHM,
    TIMEOUT,
    Api,
    Caller,
    Distant,
    Held,
    build_trusting,
    find_only_verifier,
    in_threads,
    run_at_once,
    serve,
    time_of,
    wait_until,
)

pytestmark = pytest.mark.slow

MANY = 64


def find_calls(api):
    """The calls under way that others may share. White box: nothing outside tells that a table grows."""
    return find_only_verifier(api.registry, "remote")._introspector._running


@pytest.fixture
def held():
    issuer = Held()
    yield issuer
    issuer.let_go()


@pytest.fixture
def api(held):
    return build_trusting(held, http__timeout=30)


# ── a real server, a real issuer ─────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def slow(server):
    server.delay = 0.2
    server.fail("slow")
    return server


@pytest.mark.promise("GD-22")
@pytest.mark.parametrize("view", ["local", "remote"])
def test_a_cold_start_of_64_makes_one_metadata_and_one_jwks_fetch(slow, view):
    api = Api(slow.settings)
    tokens = [slow.issuer.mint() for _ in range(MANY)]
    with serve(api.app, threads=MANY) as url:
        caller = Caller(url)
        assert run_at_once(partial(caller.ask, view, raw) for raw in tokens) == [200] * MANY
        caller.close()
    assert (slow.calls["metadata"], slow.calls["keys"]) == (1, 1)
    assert slow.calls["introspection"] == (MANY if view == "remote" else 0)


@pytest.mark.promise("GD-22")
def test_64_live_checks_of_a_new_token_make_at_most_two_introspections(slow):
    api = Api(slow.settings)
    assert api.ask("local", slow.issuer.mint()) == 200
    raw = slow.issuer.mint()
    slow.delay = 0.8  # all have to come before the second call begins, on a busy machine, too
    with serve(api.app, threads=MANY) as url:
        caller = Caller(url)
        assert run_at_once([partial(caller.ask, "remote", raw)] * MANY) == [200] * MANY
        caller.close()
    assert slow.calls["introspection"] <= 2


@pytest.mark.promise("GD-22")
def test_those_who_share_a_live_check_share_its_refusal(slow):
    api = Api(slow.settings, http__timeout=10, cache__inactive__expiration_time=0)
    raw = slow.issuer.mint()
    slow.issuer.revoke(raw)
    slow.delay = 0.8
    assert run_at_once([partial(api.ask, "remote", raw)] * MANY) == [401] * MANY
    assert slow.calls["introspection"] <= 2


# ── in which order ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.promise("GD-22")
def test_all_who_come_while_a_call_is_under_way_share_the_next_one(held, api):
    raw = held.mint_opaque()
    held.hold()
    with in_threads(partial(api.ask, "remote", raw)) as [first]:
        held.wait_for_call()
        with in_threads(*[partial(api.ask, "remote", raw)] * (MANY - 1)) as others:
            wait_until(lambda: find_calls(api)[raw].next is not None)
            time.sleep(0.1)
            assert not held.arrived.acquire(blocking=False)  # nobody calls beside the first
            held.let_go()
    assert [each.result() for each in [first, *others]] == [200] * MANY
    assert held.calls["introspect"] == 2
    assert find_calls(api) == {}


@pytest.mark.promise("GD-17")
def test_nobody_is_answered_from_a_call_that_began_before_they_came():
    issuer = Held(early=True)  # what it says was decided when the call arrived
    api = build_trusting(issuer, http__timeout=30)
    raw = issuer.mint_opaque()
    issuer.hold()
    with in_threads(partial(api.ask, "remote", raw)) as [before]:
        issuer.wait_for_call()
        issuer.revoke(raw)
        with in_threads(*[partial(api.ask, "remote", raw)] * 8) as after:
            wait_until(lambda: find_calls(api)[raw].next is not None)
            issuer.let_go()
    assert before.result() == 200  # it began before the revocation
    assert [each.result() for each in after] == [401] * 8


def test_checks_of_different_tokens_do_not_wait_for_each_other(held, api):
    slow, quick = held.mint_opaque(), held.mint_opaque()
    held.hold()
    with in_threads(partial(api.ask, "remote", slow)) as [first]:
        held.wait_for_call()
        with in_threads(partial(api.ask, "remote", quick)) as [other]:
            held.wait_for_call()  # beside the first
            held.let_go()
    assert [first.result(), other.result()] == [200, 200]


# ── when the one that the others wait for comes to grief ─────────────────────────────────────────────────────────


def test_those_who_share_a_call_share_its_failure(held, api):
    raw = held.mint_opaque()
    held.hold()
    with in_threads(*[partial(api.send, "remote", raw)] * 16) as waiting:
        held.wait_for_call()
        held.go_down()
        held.let_go()
    assert {each.result().status_int for each in waiting} == {503}
    assert held.calls["introspect"] <= 16
    held.come_back()
    assert api.ask("remote", raw) == 200
    assert find_calls(api) == {}


class Dying(Distant):
    """An issuer in which the thread that asks dies, as greenlets and threads at shutdown do."""

    dead = False

    def introspect(self, raw):
        if not self.dead:
            self.dead = True
            time.sleep(0.1)
            raise SystemExit
        return super().introspect(raw)


def test_a_caller_that_dies_takes_nobody_along():
    issuer = Dying()
    api = build_trusting(issuer)
    raw = issuer.mint()
    with in_threads(partial(api.ask, "remote", raw)) as [dying]:
        wait_until(lambda: issuer.dead)
        assert api.ask("remote", raw) == 200
    assert isinstance(dying.exception(), SystemExit)
    assert find_calls(api) == {}


class Mortal(threading.Thread):
    """A thread that is told to die while it waits for its turn to call."""

    def __init__(self, work):
        super().__init__(daemon=True)
        self.work = work
        self.start()

    def run(self):
        try:
            self.work()
        except SystemExit:
            return

    def kill(self):
        set_exception = ctypes.pythonapi.PyThreadState_SetAsyncExc
        assert set_exception(ctypes.c_ulong(self.ident), ctypes.py_object(SystemExit)) == 1


def test_who_dies_while_waiting_to_call_leaves_no_trace(held):
    api = build_trusting(held, http__timeout=0.5)
    raw = held.mint_opaque()
    held.hold()
    with in_threads(partial(api.ask, "remote", raw)) as [first]:
        held.wait_for_call()
        mortal = Mortal(partial(api.ask, "remote", raw))
        wait_until(lambda: find_calls(api)[raw].next is not None)
        mortal.kill()  # it notices once the patience with the call before it is over
        mortal.join(10)
        held.let_go()
    assert first.result() == 200
    assert api.ask("remote", raw) == 200
    assert find_calls(api) == {}


@pytest.mark.promise("GD-20")
def test_an_issuer_that_hangs_delays_each_caller_by_a_few_timeouts(server):
    api = Api(server.settings, http__timeout=TIMEOUT)
    raw = server.issuer.mint()
    assert api.ask("remote", raw) == 200
    server.fail("hang", "introspection")
    statuses = []
    took = time_of(lambda: statuses.extend(run_at_once([partial(api.ask, "remote", raw)] * 16)))
    assert statuses == [503] * 16
    assert took < 4 * TIMEOUT + 2
    assert server.calls["introspection"] <= 1 + 3
    assert find_calls(api) == {}


def test_each_of_many_gets_the_token_they_asked_about():
    """Sharing must never hand one caller's token to another."""
    issuer = Distant()
    api = build_trusting(issuer, cache__introspection__expiration_time=60)
    tokens = {f"user-{number}": issuer.mint_opaque(sub=f"user-{number}") for number in range(16)}

    def ask(name):
        return [api.send("remote", tokens[name]).json["who"] for _ in range(8)]

    names = [name for name in tokens for _ in range(4)]
    assert run_at_once(partial(ask, name) for name in names) == [[name] * 8 for name in names]


# ── an issuer that is dead, seen from waitress's four threads ────────────────────────────────────────────────────


@pytest.fixture
def dead():
    with HTTPIssuer(algorithm=ALGORITHM) as issuer:
        yield issuer


@pytest.mark.promise("GD-20")
def test_a_dead_issuer_does_not_hold_all_of_waitress(dead):
    """Callers hammer the remote view; the others' views answer, at first after the calls that find out, then at once."""
    api = Api(dead.settings, http__timeout=0.5)
    good = dead.issuer.mint()
    assert api.ask("remote", good) == 200
    dead.fail("hang")
    dead.calls.clear()
    stop = threading.Event()

    def hammer(caller):
        statuses = []
        while not stop.is_set():
            statuses.append(caller.ask("remote", dead.issuer.mint()))
        return set(statuses)

    with serve(api.app, threads=4) as url:
        callers = [Caller(url) for _ in range(9)]
        with in_threads(*(partial(hammer, caller) for caller in callers[:8])) as hammering:
            try:
                time.sleep(1.2)  # the calls that find out
                open_waits = [time_of(partial(callers[8].ask, "open")) for _ in range(20)]
                local_waits = [time_of(partial(callers[8].ask, "local", good)) for _ in range(20)]
            finally:
                stop.set()
        assert [each.result() for each in hammering] == [{503}] * 8
        assert callers[8].ask("local", good) == 200
        for caller in callers:
            caller.close()
    assert max(open_waits + local_waits) < 1
    assert dead.calls["introspection"] <= 3 + 4 + 2  # four at once, and a probe now and then


@pytest.mark.promise("GD-20")
def test_a_dead_issuer_on_a_cold_start_holds_one_thread_now_and_then(dead, clock):
    api = Api(dead.settings, http__timeout=0.5)
    dead.fail("hang")
    good = dead.issuer.mint()
    with serve(api.app, threads=4) as url:
        caller = Caller(url)
        assert caller.ask("local", good) == 503
        clock.shift(31)
        with in_threads(*[partial(caller.ask, "local", good)] * 4):
            wait_until(lambda: dead.calls["metadata"] == 2)
            assert time_of(lambda: caller.ask("open")) < 0.4
        assert dead.calls["metadata"] == 2
        caller.close()


@pytest.mark.promise("GD-20")
def test_one_probe_finds_an_issuer_that_is_back(dead):
    api = Api(dead.settings, keys__cooldown=0.2)  # which is the circuit's pause, too
    good = dead.issuer.mint()
    assert api.ask("remote", good) == 200
    dead.fail("reset", "introspection")
    assert api.ask_all("remote", [good] * 20) == {503: 20}
    assert dead.calls["introspection"] == 1 + 4  # the connection kept from the first call does not count as a failure
    time.sleep(0.25)
    assert api.ask_all("remote", [good] * 20) == {503: 20}
    assert dead.calls["introspection"] == 1 + 4 + 1
    dead.heal()
    time.sleep(0.25)
    assert api.ask_all("remote", [good] * 20) == {200: 20}


@pytest.mark.promise("GD-21")
def test_a_dead_introspection_endpoint_keeps_no_withdrawn_key_alive(dead, clock):
    """Its circuit is its own: the keys beside it are fetched as ever."""
    api = Api(dead.settings)
    old, withdrawn = dead.issuer.mint(exp=time.time() + 86_400), dead.issuer.signing_key
    assert api.ask_all("remote", [old]) == {200: 1}
    dead.fail("reset", "introspection")
    assert api.ask_all("remote", [old] * 5) == {503: 5}
    dead.issuer.rotate()
    dead.issuer.withdraw(withdrawn.kid)
    clock.shift(3_600)
    assert api.ask("local", old) == 401
    assert api.ask("local", dead.issuer.mint()) == 200
