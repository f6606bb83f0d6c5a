"""What has expired is deleted, and nothing that still means something."""

from __future__ import annotations

import time

import pytest
import time_machine

from pyramid_oauthguard.server.store.sqlalchemy.engine import build_engine
from pyramid_oauthguard.server.tokens.pruning import prune

DAY = 86400


def count(server, *tables):
    engine = build_engine(f"sqlite:///{server.file}")
    with engine.connect() as connection:
        found = [connection.exec_driver_sql(f"SELECT count(*) FROM oauth_{table}").scalar() for table in tables]  # noqa: S608
    engine.dispose()
    return found


@pytest.mark.slow
def test_nothing_that_lives_goes(server):
    token = server.token()
    access, refresh = server.user_tokens()
    assert prune(server.service.store, keep=0) == 0
    for each in (token, access):
        assert server.introspect(each)["active"] is True
    assert server.find_refresh_token(refresh) is not None


@pytest.mark.slow
def test_what_expired_goes_and_the_grant_with_its_last_token(server):
    server.token()
    server.user_tokens()
    now = time.time()
    with time_machine.travel(now + 700):
        assert prune(server.service.store, keep=0) == 2  # the access tokens; the refresh token lives a day
        assert count(server, "access_tokens", "refresh_tokens", "grants") == [0, 1, 1]
    with time_machine.travel(now + DAY + 1):
        assert prune(server.service.store, keep=0) == 2
        assert count(server, "refresh_tokens", "grants") == [0, 0]


@pytest.mark.slow
def test_what_expired_just_now_is_kept_for_a_day(server):
    server.token()
    with time_machine.travel(time.time() + 3600):
        assert prune(server.service.store) == 0


@pytest.mark.slow
def test_any_number_goes_in_batches(server):
    for _ in range(25):
        server.token()
    with time_machine.travel(time.time() + 3600):
        assert prune(server.service.store, keep=0, batch=10) == 25
    assert count(server, "access_tokens") == [0]


@pytest.mark.slow
def test_clients_and_the_audit_trail_stay(server):
    server.token()
    before = count(server, "clients", "audit", "signing_keys")
    with time_machine.travel(time.time() + 400 * DAY):
        prune(server.service.store)
    assert count(server, "clients", "audit", "signing_keys") == before
