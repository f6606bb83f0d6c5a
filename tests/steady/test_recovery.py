"""After an outage the guard is well again within one cool-down, whatever failed and however often it is asked."""

from __future__ import annotations

import time

import pytest
import time_machine

from pyramid_oauthguard import UnavailableError
from pyramid_oauthguard.errors import CoolingError
from pyramid_oauthguard.guard.settings import parse_settings
from pyramid_oauthguard.issuers.http_issuer import build_http_issuer
from tests.steady.apps import DAY, TIMEOUT, Api, in_threads, wait_until

pytestmark = pytest.mark.slow

COOLDOWN = 30
#: Two clocks that began one after the other differ by less. Around the end of a cool-down requests come all the time.
DENSE = 0.4
FAULTS = ["broken", "empty", "garbage", "hang", "redirect", "reset", "truncated"]
#: An application that was never asked, and one whose keys and metadata have lapsed.
STATES = {"cold": 0, "expired": 2 * DAY}
VIEWS = {"local": ["local"], "both": ["local", "remote"]}


@pytest.fixture
def clock():
    """Wall time that goes on, and that a test moves ahead with `clock.shift(seconds)`."""
    with time_machine.travel(time.time(), tick=True) as traveller:
        yield traveller


def mint(server, **claims):
    return server.issuer.mint(exp=time.time() + 90 * DAY, **claims)


def build(server, fault, **more):
    return Api(server.settings, http__timeout=TIMEOUT if fault in {"hang", "drip"} else 5, **more)


def enter(api, server, clock, state):
    if state != "cold":
        assert api.ask_all("remote", [mint(server)]) == {200: 1}
        clock.shift(STATES[state])


def is_well(api, views, raw):
    return [api.ask(view, raw) for view in views] == [200] * len(views)


def is_well_in(api, clock, seconds, *, views, raw):
    """Whether every view answers well by then, asked now and again, and all the time around then."""
    end = time.time() + seconds
    while time.time() < end - 1:
        if is_well(api, views, raw):
            return True
        clock.shift(min(5, end - 0.05 - time.time()))
    while time.time() < end + DENSE:
        if is_well(api, views, raw):
            return True
    return False


@pytest.mark.promise("GD-76", "GD-20")
@pytest.mark.parametrize("views", VIEWS)
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("endpoint", ["metadata", "keys"])
@pytest.mark.parametrize("fault", FAULTS)
def test_it_takes_one_cool_down(server, clock, fault, endpoint, state, views):
    api = build(server, fault)
    enter(api, server, clock, state)
    raw = mint(server)
    server.fail(fault, endpoint)
    begin = time.time()
    for view in VIEWS[views]:
        api.ask(view, raw)  # the outage is noticed
    server.heal()
    assert is_well_in(api, clock, begin + COOLDOWN - time.time(), views=VIEWS[views], raw=raw)


@pytest.mark.promise("GD-76")
@pytest.mark.parametrize("endpoint", ["metadata", "keys"])
@pytest.mark.parametrize("fault", ["broken", "empty", "garbage"])
def test_a_long_outage_costs_one_attempt_a_cool_down(server, clock, fault, endpoint):
    api = build(server, fault)
    raw = mint(server)
    server.fail(fault, endpoint)
    for _ in range(5 * COOLDOWN):
        assert {api.ask(view, raw) for view in ("local", "remote")} == {503}
        clock.shift(1)
    addresses = 1 if endpoint == "keys" else 4  # which may have metadata
    assert server.calls[endpoint] <= 6 * addresses


@pytest.mark.parametrize("phase", [1, 10, 15, 29, 29.5, 30, 30.5, 45])
@pytest.mark.parametrize("later", ["local", "remote"])
def test_it_takes_one_cool_down_whichever_check_comes_first(server, clock, later, phase):
    """The metadata are asked for by both checks, each at a time of its own."""
    api = build(server, "broken")
    raw = mint(server)
    server.fail("broken", "metadata")
    api.ask(
        "remote" if later == "local" else "local", mint(server) if later == "remote" else server.issuer.mint_opaque()
    )
    clock.shift(phase)
    begin = time.time()
    api.ask(later, raw)
    server.heal()
    assert is_well_in(api, clock, begin + COOLDOWN - time.time(), views=["local", "remote"], raw=raw)


@pytest.mark.parametrize("member", ["jwks_uri", "introspection_endpoint"])
@pytest.mark.parametrize("wrong", ["http://keys.example/jwks", 7, None])
@pytest.mark.parametrize("asked", [0, 20])
def test_metadata_that_are_put_right_are_seen_within_one_cool_down(server, clock, member, wrong, asked):
    api = build(server, "")
    raw = mint(server)
    server.extra = {member: wrong}
    begin = time.time()
    assert api.ask("remote", raw) == 503
    clock.shift(asked)
    assert api.ask("remote", raw) == 503
    server.extra = {}
    assert is_well_in(api, clock, begin + COOLDOWN - time.time(), views=["local", "remote"], raw=raw)


def test_keys_that_moved_during_an_outage_of_the_metadata_are_found_within_one_cool_down(server, clock):
    api = build(server, "")
    raw = mint(server)
    server.extra = {"jwks_uri": f"{server.origin}/elsewhere"}  # where the keys are no longer
    assert api.ask("local", raw) == 503
    clock.shift(COOLDOWN)
    server.fail("broken", "metadata")
    begin = time.time()
    assert api.ask("local", raw) == 503
    server.extra = {}
    server.heal()
    assert is_well_in(api, clock, begin + COOLDOWN - time.time(), views=["local"], raw=raw)


def test_keys_that_are_not_where_stale_metadata_say_are_looked_for_when_the_metadata_are_next(server, clock):
    server.extra = {"jwks_uri": f"{server.origin}/elsewhere"}
    issuer = build_http_issuer(parse_settings(server.settings).build_issuer_settings())
    with pytest.raises(UnavailableError) as first:
        issuer.fetch_keys()
    assert not isinstance(first.value, CoolingError)
    server.fail("broken", "metadata")
    with pytest.raises(CoolingError):
        issuer.fetch_keys()  # the metadata are asked for, and the last ones are used
    clock.shift(10)
    with pytest.raises(CoolingError) as third:
        issuer.fetch_keys()
    assert COOLDOWN - 12 < third.value.wait < COOLDOWN - 9


def test_keys_are_fetched_once_while_the_metadata_are_just_being_asked_for(server, clock):
    """One check finds the metadata being asked for by another one: it waits, and does not begin a cool-down."""
    api = build(server, "")
    raw = mint(server)
    server.fail("broken", "metadata")
    assert {api.ask(view, raw) for view in ("local", "remote")} == {503}
    clock.shift(COOLDOWN)
    server.heal()
    server.fail("slow", "metadata")
    server.delay = 0.3
    with in_threads(lambda: api.ask("remote", server.issuer.mint_opaque(exp=time.time() + DAY))) as [remote]:
        wait_until(lambda: server.busy)
        assert api.ask("local", raw) == 200
        assert remote.result(10) == 200
    assert is_well(api, ["local", "remote"], raw)


@pytest.mark.parametrize("fault", ["reset", "broken", "hang"])
@pytest.mark.parametrize("endpoint", ["metadata", "keys"])
def test_a_circuit_that_is_open_adds_no_cool_down(server, fault, endpoint):
    """In real time, with a cool-down as short as the circuit's pause: the two clocks run one after the other."""
    cooldown = 1.0
    api = build(server, fault, keys__cooldown=cooldown)
    raw = server.issuer.mint()
    server.fail(fault, endpoint)
    deadline = time.monotonic() + 5 * cooldown  # the circuit opens after three attempts
    while time.monotonic() < deadline:
        assert api.ask("local", raw) == 503
        time.sleep(0.02)
    server.heal()
    began = time.monotonic()
    while api.ask("local", raw) != 200:
        assert time.monotonic() < began + 1.7 * cooldown + TIMEOUT
        time.sleep(0.02)


def test_what_is_not_asked_says_in_how_many_seconds_it_may_be():
    assert (CoolingError("x", wait=1.2).retry_after, CoolingError("x", wait=-1).wait) == (2, 0)
