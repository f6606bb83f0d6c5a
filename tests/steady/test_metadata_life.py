"""The issuer's metadata: renewed in the background, the last good ones, one attempt for all processes."""

from __future__ import annotations

import pytest

from pyramid_oauthguard import UnavailableError
from pyramid_oauthguard.caching import build_region
from pyramid_oauthguard.errors import CoolingError
from pyramid_oauthguard.guard.settings import parse_settings
from pyramid_oauthguard.issuers.http_issuer import build_http_issuer
from tests.steady.apps import DAY, wait_until

pytestmark = pytest.mark.slow

COOLDOWN = 30


def build(server, region=None, **settings):
    return build_http_issuer(parse_settings({**server.settings, **settings}).build_issuer_settings(), region)


def test_they_are_renewed_in_the_background_before_they_lapse(server, clock):
    issuer = build(server)
    first = issuer.fetch_metadata()
    clock.shift(0.85 * DAY)
    server.fail("slow", "metadata")
    server.delay = 0.3
    assert issuer.fetch_metadata() is first
    wait_until(lambda: server.calls["metadata"] == 2 and issuer.fetch_metadata() is not first)
    clock.shift(0.5 * DAY)
    assert issuer.fetch_metadata().issuer == server.issuer.identifier
    assert server.calls["metadata"] == 2


@pytest.mark.promise("GD-20")
def test_the_last_good_ones_serve_for_as_long_as_the_issuer_is_down(server, clock):
    issuer = build(server)
    first = issuer.fetch_metadata()
    server.fail("broken", "metadata")
    for _ in range(3):
        clock.shift(10 * DAY)
        assert issuer.fetch_metadata() is first


def test_another_issuer_in_its_place_ends_the_last_good_ones(server, clock):
    issuer = build(server)
    issuer.fetch_metadata()
    server.extra = {"issuer": "https://other.test"}
    clock.shift(2 * DAY)
    with pytest.raises(UnavailableError) as caught:
        issuer.fetch_metadata()
    assert caught.value.reason == "other_issuer"
    server.fail("broken", "metadata")
    clock.shift(COOLDOWN)
    with pytest.raises(UnavailableError):
        issuer.fetch_metadata()


@pytest.mark.promise("GD-76")
def test_an_attempt_in_one_process_cools_down_in_all(server, clock):
    region = build_region("metadata", {}, expiration_time=DAY, secret="shared")
    one, other = build(server, region), build(server, region)
    server.fail("broken", "metadata")
    asked = []
    for issuer in (one, other):
        with pytest.raises(CoolingError) as caught:
            issuer.fetch_metadata()
        assert COOLDOWN - 5 < caught.value.wait <= COOLDOWN
        asked.append(server.calls["metadata"])
    assert asked[0] == asked[1] > 0, "one attempt asks every well-known address"
    server.heal()
    clock.shift(COOLDOWN)
    assert other.fetch_metadata().document == one.fetch_metadata().document
    assert server.calls["metadata"] == asked[0] + 1


def test_a_clock_that_was_set_back_does_not_make_them_last_longer(server, clock):
    issuer = build(server)
    issuer.fetch_metadata()
    clock.shift(-2 * DAY)
    assert issuer.fetch_metadata()
    assert server.calls["metadata"] == 2
