"""Once a revocation was answered, no remote check that begins afterwards accepts the token: in thousands of interleavings."""

from __future__ import annotations

import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
from pyramid.config import Configurator
from pyramid.request import Request

from pyramid_oauthguard.server.clients import get_clients
from pyramid_oauthguard.server.service import IService
from pyramid_oauthguard.testing import MemoryIssuer, bearer
from tests.steady.apps import build_trusting
from tests.steady.conftest import basic

pytestmark = pytest.mark.slow

CHECKERS = 6
CACHED = {"cache__introspection__expiration_time": 3_600}
SETTINGS = {
    "live": {},
    "live, nothing inactive kept": {"cache__inactive__expiration_time": 0},
    "cached": CACHED,
    "cached in little room": {**CACHED, "cache__introspection__arguments__size": 3},
}


class Dawdling(MemoryIssuer):
    """An issuer whose answers take their time on the way, long after they were decided."""

    def introspect(self, raw: str) -> Any:
        answer = super().introspect(raw)
        time.sleep(random.random() * 0.002)  # noqa: S311  # no secret
        return answer


@dataclass
class Tally:
    """What checkers saw: statuses of checks that began before the revocation was answered, and after."""

    before: Counter[int] = field(default_factory=Counter)
    after: Counter[int] = field(default_factory=Counter)


def race(threads: ThreadPoolExecutor, ask: Callable[[], int], revoke: Callable[[], None], tally: Tally) -> None:
    """Check a token from many threads at once while another revokes it, and on until it is refused."""
    answered = threading.Event()
    start = threading.Barrier(CHECKERS + 1)

    def check() -> tuple[list[int], list[int]]:
        before, after = [], []
        start.wait(30)
        while len(after) < 2:
            late = answered.is_set()
            (after if late else before).append(ask())
        return before, after

    def end() -> None:
        start.wait(30)
        time.sleep(random.random() * 0.004)  # noqa: S311  # no secret
        revoke()
        answered.set()

    work = [threads.submit(end), *(threads.submit(check) for _ in range(CHECKERS))]
    work[0].result(30)
    for each in work[1:]:
        before, after = each.result(30)
        tally.before.update(before)
        tally.after.update(after)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # many more ways in which threads can get into each other's way
    try:
        with ThreadPoolExecutor(CHECKERS + 1) as pool:
            yield pool
    finally:
        sys.setswitchinterval(interval)


@pytest.mark.promise("GD-17")
@pytest.mark.parametrize("name", SETTINGS)
def test_no_check_that_begins_after_a_revocation_is_accepted(threads, name):
    issuer = Dawdling(algorithm="EdDSA")
    api = build_trusting(issuer, http__timeout=30, **SETTINGS[name])
    tally = Tally()
    for number in range(150):
        raw = issuer.mint_opaque() if number % 2 else issuer.mint()
        race(threads, lambda raw=raw: api.ask("remote", raw), lambda raw=raw: issuer.revoke(raw), tally)
    assert tally.after == {401: tally.after.total()}
    assert tally.after.total() >= 150 * CHECKERS * 2
    assert tally.before[200] > 150  # there was something to take away


@pytest.fixture(params=["jwt", "opaque"])
def both(request, tmp_path):
    """One application with both halves, and a token of each kind."""
    prefix = "oauthguard.server."
    config = Configurator(
        settings={
            f"{prefix}issuer": "http://localhost",
            f"{prefix}audience": "https://api.test",
            f"{prefix}scopes": "read = Read",
            f"{prefix}default_scopes": "read",
            f"{prefix}signing.algorithm": "ES256",
            f"{prefix}access_token_format": request.param,
            f"{prefix}sqlalchemy.url": f"sqlite:///{tmp_path}/oauth.sqlite",
            "oauthguard.issuer": "http://localhost",
            "oauthguard.audience": "https://api.test",
            "oauthguard.cache.introspection.expiration_time": "1h",
        }
    )
    config.include("pyramid_oauthguard.server")
    config.include("pyramid_oauthguard")
    config.add_route("remote", "/remote")
    config.add_view(lambda _request: {}, route_name="remote", renderer="json", token_check="remote")
    app = config.make_wsgi_app()
    yield app
    app.registry.getUtility(IService).store.close()


def post(app: Any, path: str, client: Any, **form: str) -> Any:
    headers = basic(client.client.client_id, client.secret)
    answer = Request.blank(path, POST=form, headers=headers).get_response(app)
    assert answer.status_int == 200, answer.text
    return answer


@pytest.mark.promise("GD-17")
def test_no_check_that_begins_after_the_200_of_our_own_server_is_accepted(threads, both):
    client = get_clients(both.registry).create("Program", grants=["client_credentials"], scopes=["read"])
    tally = Tally()
    for _ in range(15):
        raw = post(both, "/oauth/token", client, grant_type="client_credentials").json["access_token"]
        race(
            threads,
            lambda raw=raw: Request.blank("/remote", headers=bearer(raw)).get_response(both).status_int,
            lambda raw=raw: post(both, "/oauth/revoke", client, token=raw) and None,
            tally,
        )
    assert tally.after == {401: tally.after.total()}
    assert tally.before[200] > 15
