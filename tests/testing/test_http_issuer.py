"""The issuer on loopback, through the guard's own HTTP: what it promises to other tests."""

from __future__ import annotations

import time
from base64 import b64encode
from urllib.parse import quote_plus

import pytest

from pyramid_oauthguard import UnavailableError
from pyramid_oauthguard.discovery import fetch_metadata
from pyramid_oauthguard.fetch import Fetcher
from tests.issuers import CLIENT, FAULTS, HTTPIssuer

AUTHORIZATION = {"Authorization": "Basic " + b64encode(":".join(map(quote_plus, CLIENT)).encode()).decode()}
#: What a guard can't tell from a good answer while it fetches: judging these is up to who asked.
READABLE = {"slow", "empty", "too many", "broken", "forbidden", "other issuer"}


@pytest.fixture
def server():
    with HTTPIssuer("/tenant") as server:
        yield server


def test_it_is_found_by_discovery(server):
    fetcher = Fetcher()
    metadata = fetch_metadata(fetcher, server.issuer.identifier)
    assert metadata.document["jwks_uri"] == f"{server.origin}/tenant/jwks"
    assert fetcher.get(metadata.document["jwks_uri"]).body == server.issuer.jwks
    assert server.calls == {"metadata": 1, "keys": 1}


def test_it_says_how_long_keys_may_be_kept(server):
    server.issuer.max_age = 7
    assert Fetcher().get(server.issuer.metadata["jwks_uri"]).max_age == 7


@pytest.mark.slow
def test_it_introspects_for_who_may_ask(server):
    url = server.issuer.metadata["introspection_endpoint"]
    raw = server.issuer.mint(sub="ada")
    answer = Fetcher().post(url, {"token": raw}, headers=AUTHORIZATION)
    assert (answer.status, answer.body["sub"]) == (200, "ada")
    assert Fetcher().post(url, {"token": raw}, headers={}).status == 401


@pytest.mark.slow
@pytest.mark.promise("GD-44")
@pytest.mark.parametrize("fault", sorted(FAULTS.keys() - READABLE))
def test_a_fault_is_an_unavailable_issuer_within_the_timeout(server, fault):
    server.fail(fault, "keys")
    began = time.monotonic()
    with pytest.raises(UnavailableError):
        Fetcher(timeout=0.5).get(server.issuer.metadata["jwks_uri"])
    assert time.monotonic() - began < 2
    assert server.calls == {"keys": 1}  # and nothing followed


@pytest.mark.slow
@pytest.mark.parametrize("fault", sorted(READABLE))
def test_a_fault_that_can_be_read_is_for_the_caller_to_judge(server, fault):
    server.fail(fault, "keys")
    answer = Fetcher().get(server.issuer.metadata["jwks_uri"])
    assert (answer.status, answer.body) != (200, server.issuer.jwks) or fault == "slow"


def test_faults_are_of_one_endpoint_and_can_be_healed(server):
    server.fail("reset", "keys")
    fetcher = Fetcher()
    assert fetch_metadata(fetcher, server.issuer.identifier)
    server.heal()
    assert fetcher.get(server.issuer.metadata["jwks_uri"]).status == 200


@pytest.mark.slow
def test_closing_does_not_wait_for_those_who_hang(server):
    server.fail("hang")
    with pytest.raises(UnavailableError):
        Fetcher(timeout=0.2).get(server.issuer.metadata["jwks_uri"])
    began = time.monotonic()
    server.close()
    assert time.monotonic() - began < 2
    with pytest.raises(UnavailableError):
        Fetcher(timeout=0.5).get(server.issuer.metadata["jwks_uri"])
