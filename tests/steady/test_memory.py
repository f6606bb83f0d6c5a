"""Memory is bounded by the settings, whatever tokens come: good or bad, local or remote, by the hundred thousand.

A million of each are measured in benchmarks/.
"""

from __future__ import annotations

import gc
import itertools
import logging
import time
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyramid_oauthguard import InvalidToken
from pyramid_oauthguard.bounded import BoundedMap
from tests.guard.verifying import find_verifier
from tests.steady.apps import Distant, build_trusting, find_only_verifier

pytestmark = pytest.mark.slow

SIZE = 200
SMALL = {
    "cache__tokens__size": SIZE,
    "cache__introspection__arguments__size": SIZE,
    "cache__inactive__arguments__size": SIZE,
    "cache__introspection__expiration_time": 3_600,
}


class Stateless(Distant):
    """An issuer that knows from a token alone what to say, so that it remembers none itself."""

    def introspect(self, raw: str) -> Any:
        if not raw.startswith("good"):
            return {"active": False}
        return {"active": True, "aud": self.audience, "exp": time.time() + 600, "jti": raw, "scope": "read"}


@pytest.fixture
def issuer():
    return Stateless()


def make_floods(issuer: Stateless) -> dict[str, tuple[str, Iterator[str]]]:
    """The mode that takes it, and tokens without end, no two alike."""
    head, body, signature = issuer.mint().split(".")
    numbers = itertools.count()

    def unknown() -> str:
        return issuer.mint(header={"kid": f"made-up-{next(numbers)}"})

    signed_elsewhere = (f"{head}.{body}.{signature[:-12]}{number:010}AA" for number in numbers)
    return {
        "bad signature": ("local", signed_elsewhere),
        "no token at all": ("local", (f"{number}.{number}.{number}" for number in numbers)),
        "unknown kid": ("local", (unknown() for _ in itertools.count())),
        "good": ("local", (issuer.mint(n=number) for number in numbers)),
        "inactive": ("remote", (f"bad-{number}" for number in numbers)),
        "active": ("remote", (f"good-{number}" for number in numbers)),
    }


def flood(api: Any, mode: str, tokens: Iterator[str], count: int) -> None:
    verifier = find_verifier(api.registry, mode)
    for raw in itertools.islice(tokens, count):
        try:
            verifier.verify(raw)
        except InvalidToken:
            continue


def find_containers(*roots: object) -> list[Any]:
    """Every dict, list and set that can be reached from these objects, but not what is everybody's: classes, modules,
    loggers, whose handlers keep what other tests had logged.
    """
    seen, found, todo = set(), [], list(roots)
    while todo:
        each = todo.pop()
        if id(each) in seen or isinstance(each, (type, types.ModuleType, logging.Logger)):
            continue
        seen.add(id(each))
        if isinstance(each, (dict, list, set, frozenset)):
            found.append(each)
        if isinstance(each, types.FunctionType):
            todo += each.__closure__ or ()
        else:
            todo += gc.get_referents(each)
    return found


@pytest.mark.promise("GD-23")
@pytest.mark.parametrize("kind", ["bad signature", "no token at all", "unknown kid", "good", "inactive", "active"])
def test_nothing_in_the_guard_grows_beyond_its_size(issuer, kind):
    """White box, but not by name: whatever the verifiers hold on to is looked at."""
    api = build_trusting(issuer, **SMALL)
    mode, tokens = make_floods(issuer)[kind]
    verifiers = [find_only_verifier(api.registry, name)._introspector for name in ("remote",)]
    verifiers += [find_only_verifier(api.registry, name) for name in ("local", "remote")]
    flood(api, mode, tokens, 3 * SIZE)
    first = find_containers(*verifiers)
    flood(api, mode, tokens, 7 * SIZE)
    second = find_containers(*verifiers)
    largest = max(second, key=len)
    assert len(second) < len(first) + 10 * SIZE
    assert len(largest) <= max(SIZE, 256), list(largest)[:3]
    assert sum(map(len, second)) < sum(map(len, first)) * 1.5 + 1_000


def read_rss() -> float:
    """Resident memory of this process, in megabytes."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


@pytest.mark.promise("GD-23")
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads /proc")
def test_a_flood_of_200_000_tokens_leaves_no_trace_in_memory():
    issuer = Stateless()
    api = build_trusting(issuer, cache__introspection__expiration_time=3_600)
    floods = make_floods(issuer)
    counts = {"bad signature": 5_000, "no token at all": 150_000, "good": 4_000, "inactive": 35_000, "active": 6_000}
    for kind, count in counts.items():
        flood(api, *floods[kind], min(count, 10_000))  # what is kept is full now, or half full of good ones
    before = read_rss()
    for kind, count in counts.items():
        flood(api, *floods[kind], count)
    assert read_rss() - before < 15


@pytest.mark.promise("GD-23")
@pytest.mark.parametrize("size", [0, 1, 2, 3, 10, 101])
def test_a_bounded_map_is_bounded(size):
    kept = BoundedMap(size)
    for number in range(1_000):
        kept.set(number, number)
        kept.get(number // 2)
        assert len(kept) <= size
    assert kept.get(999) == (999 if size else None)


@pytest.mark.promise("GD-23")
def test_a_token_in_constant_use_stays_while_others_come_and_go(issuer):
    api = build_trusting(issuer, **SMALL)
    busy = issuer.mint()
    verifier = find_verifier(api.registry)
    verifier.verify(busy)
    kept = verifier.verify(busy)  # the value is kept from the second use on
    for number in range(5 * SIZE):
        verifier.verify(issuer.mint(n=number))
        if number % 50 == 0:
            assert verifier.verify(busy) is kept  # the same value: it was not verified again


@pytest.mark.promise("GD-23")
def test_with_size_0_nothing_is_remembered(issuer):
    api = build_trusting(issuer, cache__tokens__size=0)
    raw = issuer.mint()
    verifier = find_verifier(api.registry)
    assert verifier.verify(raw) is not verifier.verify(raw)
    assert api.ask_all("local", [raw] * 3) == {200: 3}


@pytest.mark.promise("GD-23")
def test_a_token_that_is_very_long_is_not_remembered(issuer):
    """Their number is bounded, and so must be what they are made of."""
    api = build_trusting(issuer, cache__tokens__size=10)
    verifier = find_verifier(api.registry)
    usual, long = issuer.mint(padding="x" * 10_000), issuer.mint(padding="x" * 50_000)
    for raw in (usual, long, usual, long):
        verifier.verify(raw)
    assert verifier.verify(usual) is verifier.verify(usual)
    assert verifier.verify(long) is not verifier.verify(long)


@pytest.mark.promise("GD-23")
@pytest.mark.parametrize("view", ["local", "remote"])
@pytest.mark.parametrize("fault", ["bad signature", "no token", "outage"])
def test_a_refusal_leaves_nothing_to_the_collector_of_cycles(issuer, view, fault):
    """A traceback leads back to its request: what a flood of refusals leaves lying would be megabytes."""
    api = build_trusting(issuer)
    raw = {"bad signature": issuer.mint_tampered(), "no token": None, "outage": issuer.mint()}[fault]
    if fault == "outage":
        issuer.go_down()
    for _ in range(3):
        assert api.ask(view, raw) == (503 if fault == "outage" else 401)
    gc.collect()
    gc.disable()
    try:
        for _ in range(20):
            api.ask(view, raw)
        assert gc.collect() < 20
    finally:
        gc.enable()
