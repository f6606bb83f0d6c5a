"""Every way in which an issuer fails, in every state of the caches, for every kind of check.

The tables below are the promise: what a caller with a good token gets. A caller with a bad one never gets 200.
"""

from __future__ import annotations

import time
from collections import Counter

import pytest

from pyramid_oauthguard.testing import MemoryIssuer, SigningKey
from tests.issuers import FAULTS
from tests.steady.apps import DAY, TIMEOUT, Api, wait_until

pytestmark = pytest.mark.slow

ASKED = 6
KINDS = {"local": ("local", 0), "remote cached": ("remote", 60), "remote live": ("remote", 0)}
#: Seconds since everything was fetched; nothing was when cold. Caches live for an hour, keys may serve for a day.
STATES = {"cold": 0, "warm": 10, "expired": 7_200, "too old": DAY + 3_600}
#: These never answer. The circuit opens after three of them.
SILENT = {"hang", "reset", "drip", "truncated"}

DOWN = {
    ("cold", "local"): 503,
    ("cold", "remote cached"): 503,
    ("cold", "remote live"): 503,
    ("warm", "local"): 200,  # the keys are known
    ("warm", "remote cached"): 200,  # so is the answer
    ("warm", "remote live"): 503,
    ("expired", "local"): 200,  # the last good keys serve
    ("expired", "remote cached"): 503,  # nobody may say 200 for the issuer
    ("expired", "remote live"): 503,
    ("too old", "local"): 503,
    ("too old", "remote cached"): 503,
    ("too old", "remote live"): 503,
}
#: Not an outage but an answer: the issuer says of our token that another issuer made it.
FOREIGN = {("other issuer", "warm", "remote live"): 401}

#: One endpoint alone fails: the status by kind when cold, and when expired.
ONE_DOWN = {
    "metadata": {"cold": (503, 503, 503), "expired": (200, 200, 200)},  # what it said last holds
    "keys": {"cold": (503, 503, 503), "expired": (200, 200, 200)},
    "introspection": {"cold": (200, 503, 503), "expired": (200, 503, 503)},
}
#: Another issuer's keys under our names are a rotation with withdrawal, its metadata a reason to trust nothing new.
ONE_FOREIGN = {
    "metadata": {"cold": (503, 503, 503), "expired": (200, 503, 503)},
    "keys": {"cold": (401, 401, 401), "expired": (401, 401, 401)},
    "introspection": {"cold": (200, 401, 401), "expired": (200, 401, 401)},
}


class Cell:
    """One application in one state before one issuer."""

    def __init__(self, server, clock, kind, state, **settings):
        self.server, self.clock, self.state = server, clock, state
        self.asked = 0
        self.view, ttl = KINDS[kind]
        self.api = Api(
            server.settings,
            cache__introspection__expiration_time=ttl,
            cache__metadata__expiration_time=3_600,
            **settings,
        )
        self.good = self.mint()
        self.stranger = MemoryIssuer("https://stranger.test", algorithm=server.issuer.algorithm)
        self.bad = [self.mint_forged(), server.issuer.mint_tampered(), self.mint(aud="https://other.test")]
        server.delay = 0.02

    def mint(self, **claims):
        return self.server.issuer.mint(exp=time.time() + 30 * DAY, **claims)

    def mint_forged(self):
        """Signed with the key of another party, under the kid of the issuer."""
        mine = self.server.issuer.signing_key
        return self.mint(key=SigningKey(mine.kid, mine.algorithm, self.stranger.signing_key.native))

    def enter(self):
        """Bring the caches into the state."""
        while self.state != "cold" and self.api.ask(self.view, self.good) != 200:
            self.clock.shift(30)  # a machine so busy that a good answer came too late
        self.clock.shift(STATES[self.state])
        self.server.calls.clear()

    def is_well(self):
        self.asked += 1
        return self.api.ask(self.view, self.good) == 200

    def check(self, expected, raw=None):
        """The good token gets what was promised each time, the bad ones nothing, and the issuer is left in peace."""
        answers = [self.api.send(self.view, raw or self.good) for _ in range(ASKED)]
        self.asked += ASKED
        assert Counter(answer.status_int for answer in answers) == {expected: ASKED}
        assert all("Retry-After" in answer.headers for answer in answers if answer.status_int == 503)
        assert set(self.api.ask_all(self.view, self.bad)) <= {401, 503}

    def check_calls(self, *, silent=False, again=False, extra=False):
        """`again`: the one connection that is kept is reset, which may be its old age and is tried again once.
        `extra`: tokens of an unknown key come more than once, for which there is one extra attempt.
        """
        calls = self.server.calls
        assert calls["metadata"] <= 4 + again  # its well-known addresses once each
        assert calls["keys"] <= 1 + again + extra
        assert calls["introspection"] <= (0 if self.view == "local" else self.asked)
        assert calls["elsewhere"] == 0
        assert not silent or calls["introspection"] <= 3 + again  # three open its circuit


@pytest.fixture
def cell(request, server, clock, kind, state):
    hangs = request.node.callspec.params.get("fault") in {"hang", "drip"}
    return Cell(server, clock, kind, state, http__timeout=TIMEOUT if hangs else 5)


@pytest.mark.promise("GD-20", "GD-44")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("fault", sorted(FAULTS.keys() - {"slow"}))
def test_all_of_the_issuer_fails(cell, fault, state, kind):
    cell.enter()
    cell.server.fail(fault)
    began = time.perf_counter()
    cell.check(FOREIGN.get((fault, state, kind), DOWN[state, kind]))
    cell.check_calls(silent=fault in SILENT, again=fault == "reset")
    assert time.perf_counter() - began < 3 * TIMEOUT + 4


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("state", STATES)
def test_a_slow_issuer_is_only_slow(cell, state, kind):
    cell.enter()
    cell.server.fail("slow")
    cell.check(200)
    cell.check_calls()


@pytest.mark.promise("GD-20", "GD-44")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("state", ["cold", "expired"])
@pytest.mark.parametrize("endpoint", ONE_DOWN)
@pytest.mark.parametrize("fault", ["reset", "broken", "empty", "other issuer"])
def test_one_endpoint_fails(cell, fault, endpoint, state, kind):
    cell.enter()
    cell.server.fail(fault, endpoint)
    table = ONE_FOREIGN if fault == "other issuer" else ONE_DOWN
    cell.check(table[endpoint][state][list(KINDS).index(kind)])
    cell.check_calls(again=fault == "reset")


@pytest.mark.promise("GD-20")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("fault", ["reset", "broken", "other issuer"])
def test_it_is_well_again_after_a_cool_down(server, clock, fault, state, kind):
    cell = Cell(server, clock, kind, state, keys__cooldown=0.1)
    cell.enter()
    cell.server.fail(fault)
    cell.api.ask_all(cell.view, [cell.good] * 2)
    cell.server.heal()
    cell.clock.shift(0.2)
    time.sleep(0.11)  # the circuit's pause is in real seconds
    cell.server.calls.clear()
    wait_until(cell.is_well)  # the probe may be the background's
    cell.check(200)
    cell.check_calls()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("state", STATES)
def test_the_issuer_rotates(cell, state, kind):
    cell.enter()
    cell.clock.shift(30)  # of cool-down
    cell.server.issuer.rotate()
    cell.check(200, cell.mint())  # of the new key
    cell.check(200)  # of the former one, still published


#: With its key withdrawn a token lives only in what may be remembered: keys for their hour, an answer for its minute.
WITHDRAWN = {("warm", "local"): 200, ("warm", "remote cached"): 200}


@pytest.mark.promise("GD-21")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("state", STATES)
def test_the_issuer_withdraws_a_key(cell, state, kind):
    cell.enter()
    withdrawn = cell.server.issuer.signing_key.kid
    cell.server.issuer.rotate()
    cell.server.issuer.withdraw(withdrawn)
    cell.check(WITHDRAWN.get((state, kind), 401))
    cell.check_calls(extra=True)


@pytest.mark.promise("GD-20")
@pytest.mark.parametrize("fault", ["reset", "broken"])
def test_a_clock_that_is_set_right_ends_no_outage_of_metadata_later(server, clock, fault):
    api = Api(server.settings)
    raw = server.issuer.mint_opaque(exp=time.time() + 90 * DAY)
    clock.shift(30 * DAY)
    server.fail(fault, "metadata")
    assert api.ask("remote", raw) == 503
    clock.shift(-30 * DAY)
    server.heal()
    assert api.ask("remote", raw) == 200
    server.fail(fault, "metadata")
    clock.shift(2 * DAY)
    assert api.ask("remote", raw) == 200
    assert server.calls["metadata"] <= 8 + 2
