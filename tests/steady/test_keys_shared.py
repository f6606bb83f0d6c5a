"""Key sets of several processes, seen through a cache that they share. What Redis itself adds is in test_redis.py."""

from __future__ import annotations

import time

import pytest
from pyramid.exceptions import ConfigurationExecutionError

from pyramid_oauthguard import InvalidToken, UnavailableError
from pyramid_oauthguard.caching import build_region
from pyramid_oauthguard.guard.settings import parse_settings
from pyramid_oauthguard.issuers.http_issuer import build_http_issuer
from pyramid_oauthguard.issuers.keys import KeySource
from pyramid_oauthguard.testing import generate_key
from tests.steady.apps import ALGORITHM, DAY, Distant, build_trusting

pytestmark = pytest.mark.slow

HOUR = 3_600
COOLDOWN = 30


@pytest.fixture
def issuer():
    return Distant()


@pytest.fixture
def region():
    return build_region("jwks", {}, expiration_time=HOUR, secret="shared")


def build_source(issuer, region):
    return KeySource(
        issuer.fetch_keys, region, algorithms=(ALGORITHM,), lifetime=HOUR, cooldown=COOLDOWN, max_stale=DAY
    )


def test_the_same_keys_stay_the_same_object(issuer, region, clock):
    source = build_source(issuer, region)
    first = source.kept.require(time.time())
    clock.shift(2 * HOUR)
    assert source.kept.require(time.time()) is first
    assert issuer.calls["fetch_keys"] == 2
    key = issuer.jwks["keys"][0]
    issuer.withdraw()
    issuer.publish({"kty": "oct", "k": "AAAA"}, dict(reversed(key.items())))  # the same usable keys
    clock.shift(2 * HOUR)
    assert source.kept.require(time.time()) is first
    issuer.rotate()
    clock.shift(2 * HOUR)
    assert source.kept.require(time.time()) is not first


@pytest.mark.promise("GD-22")
def test_what_one_process_fetched_another_takes(issuer, region, clock):
    one, other = build_source(issuer, region), build_source(issuer, region)
    one.kept.require(time.time())
    assert other.find(ALGORITHM, issuer.signing_key.kid)
    assert issuer.calls["fetch_keys"] == 1
    issuer.rotate()
    clock.shift(COOLDOWN)
    one.find(ALGORITHM, issuer.signing_key.kid)
    assert other.find(ALGORITHM, issuer.signing_key.kid)
    assert issuer.calls["fetch_keys"] == 2


@pytest.mark.promise("GD-76")
def test_an_attempt_in_one_process_cools_down_in_all(issuer, region, clock):
    sources = [build_source(issuer, region) for _ in range(4)]
    sets = [source.kept.require(time.time()) for source in sources]
    issuer.go_down()
    clock.shift(2 * HOUR)
    assert [source.kept.require(time.time()) for source in sources] == sets
    assert issuer.calls["fetch_keys"] == 2
    clock.shift(COOLDOWN - 1)
    assert [source.kept.require(time.time()) for source in sources] == sets
    assert issuer.calls["fetch_keys"] == 2


@pytest.mark.promise("GD-76")
def test_the_extra_attempt_of_one_process_is_that_of_all(issuer, region, clock):
    sources = [build_source(issuer, region) for _ in range(4)]
    for source in sources:
        source.kept.require(time.time())
    issuer.rotate()
    clock.shift(1)
    assert sources[0].find(ALGORITHM, issuer.signing_key.kid)
    assert issuer.calls["fetch_keys"] == 2
    for source in sources:
        with pytest.raises(InvalidToken):
            source.find(ALGORITHM, "made-up")
        assert source.find(ALGORITHM, issuer.signing_key.kid)
    assert issuer.calls["fetch_keys"] == 2


def test_a_process_whose_clock_is_behind_takes_what_another_fetched(issuer, region, clock):
    one, other = build_source(issuer, region), build_source(issuer, region)
    one.kept.require(time.time())
    clock.shift(-2)
    assert other.kept.require(time.time())
    assert issuer.calls["fetch_keys"] == 1


ODD_NUMBERS = [None, True, "now", -1, 0, 1e308, -1e308, float("nan"), float("inf"), 10**400, -(10**400), [], {}]


@pytest.mark.promise("GD-25")
@pytest.mark.parametrize("number", ODD_NUMBERS, ids=lambda value: str(value)[:12])
@pytest.mark.parametrize("name", ["fetched_at", "tried_at", "extra_at", "life"])
def test_odd_times_in_a_shared_entry_hurt_nobody(issuer, region, clock, name, number):
    stranger = generate_key(ALGORITHM, kid=issuer.signing_key.kid)
    now = time.time()
    old = dict.fromkeys(("fetched_at", "tried_at", "extra_at"), now - 10 * DAY)
    entry = {"keys": [stranger.jwk], "life": HOUR, **old}
    region.set("jwks", {**entry, name: number})
    source = build_source(issuer, region)
    assert source.find(ALGORITHM, issuer.signing_key.kid)
    assert issuer.calls["fetch_keys"] == 1


@pytest.mark.promise("GD-25")
@pytest.mark.parametrize(
    "keys", [None, 7, "keys", [], [[]], {"kty": "RSA"}, [{"kty": "RSA", "n": 1, "e": None}]], ids=str
)
def test_odd_keys_in_a_shared_entry_hurt_nobody(issuer, region, clock, keys):
    region.set("jwks", {"keys": keys, "fetched_at": time.time(), "tried_at": 0, "life": HOUR})
    assert build_source(issuer, region).find(ALGORITHM, issuer.signing_key.kid)


@pytest.mark.parametrize("entry", [None, 7, "entry", [], [1], {}, True], ids=str)
def test_odd_entries_hurt_nobody(issuer, region, clock, entry):
    region.set("jwks", entry)
    assert build_source(issuer, region).find(ALGORITHM, issuer.signing_key.kid)


@pytest.mark.promise("GD-25")
@pytest.mark.parametrize("number", ODD_NUMBERS, ids=lambda value: str(value)[:12])
def test_odd_times_in_shared_metadata_hurt_nobody(server, clock, number):
    settings = parse_settings(server.settings).build_issuer_settings()
    region = build_region("metadata", {}, expiration_time=DAY, secret="shared")
    entry = {"document": dict(server.issuer.metadata), "url": server.origin, "life": DAY, "fetched_at": number}
    region.set("metadata", entry)
    assert build_http_issuer(settings, region).fetch_keys().keys
    assert server.calls["metadata"] == 1


@pytest.mark.promise("GD-44", "GD-25")
@pytest.mark.parametrize(
    "document", [{}, [], None, {"issuer": "https://other.test"}, {"issuer": None}, {"issuer": ["x"]}], ids=str
)
def test_shared_metadata_of_another_issuer_is_none(server, clock, document):
    settings = parse_settings(server.settings).build_issuer_settings()
    region = build_region("metadata", {}, expiration_time=DAY, secret="shared")
    region.set("metadata", {"document": document, "url": server.origin, "life": DAY, "fetched_at": time.time()})
    assert build_http_issuer(settings, region).fetch_keys().keys
    assert server.calls["metadata"] == 1


@pytest.mark.promise("GD-44", "GD-25")
@pytest.mark.parametrize(
    "url", ["http://192.0.2.1/jwks", "file:///etc/passwd", "//x", 7, None, "javascript:1"], ids=str
)
def test_shared_metadata_leads_nowhere_that_fetched_metadata_would_not(server, clock, url):
    settings = parse_settings(server.settings).build_issuer_settings()
    region = build_region("metadata", {}, expiration_time=DAY, secret="shared")
    document = {**server.issuer.metadata, "jwks_uri": url}
    region.set("metadata", {"document": document, "url": server.origin, "life": DAY, "fetched_at": time.time()})
    issuer = build_http_issuer(settings, region)
    with pytest.raises(UnavailableError):
        issuer.fetch_keys()
    clock.shift(COOLDOWN)
    assert issuer.fetch_keys().keys  # asked for again, and well


@pytest.mark.promise("GD-25")
@pytest.mark.parametrize("backend", ["memcached", "pylibmc", "bmemcached"])
def test_a_cache_that_runs_what_it_reads_is_no_cache(issuer, backend):
    with pytest.raises(ConfigurationExecutionError, match=r"oauthguard\.cache\.jwks: .* may unpickle"):
        build_trusting(issuer, cache__jwks__backend=f"dogpile.cache.{backend}")


@pytest.mark.parametrize("backend", ["dogpile.cache.null", "dogpile.cache.memory", "dogpile.cache.memory_pickle"])
def test_other_backends_of_this_process_serve_as_well(issuer, backend):
    caches = ("jwks", "introspection", "inactive")
    more = {f"cache__{name}__backend": backend for name in caches}
    api = build_trusting(issuer, cache__introspection__expiration_time=60, **more)
    raw = issuer.mint()
    assert api.ask_all("local", [raw] * 3) == {200: 3}
    assert api.ask_all("remote", [raw, "made-up"] * 3) == {200: 3, 401: 3}
    assert issuer.calls["fetch_keys"] == 1
