"""What has expired is deleted, and nothing that still means something."""

from __future__ import annotations

import time

import pytest
import time_machine

from pyramid_oauthguard.server.store.records import (
    OPERATOR,
    REGISTRATION,
    AccessTokenRecord,
    Client,
    Consent,
    DeviceRecord,
    Grant,
)
from pyramid_oauthguard.server.store.sqlalchemy import SQLAlchemyStore
from pyramid_oauthguard.server.store.sqlalchemy.engine import build_engine
from pyramid_oauthguard.server.store.sqlalchemy.store import SQLAlchemyUnit
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


def make_client(client_id, *, by=OPERATOR, expires_at=None):
    lists = dict.fromkeys(("redirect_uris", "grants", "scopes", "audiences"), ())
    return Client(
        client_id=client_id, name="X", role="client", public=True, created_at=1.0, registered_by=by,
        expires_at=expires_at, **lists,
    )  # fmt: skip


def fill_tables(unit, rows):
    """A client with ``rows`` rows in each table that refers to it, and ten that ended unused."""
    unit.add_client(make_client("app"))
    for number in range(10):
        unit.add_client(make_client(f"tool{number}", by=REGISTRATION, expires_at=2.0))
    common = {"client_id": "app", "scopes": (), "audiences": ()}
    for number in range(rows):
        name, hashed = f"{number}", number.to_bytes(32, "big")
        unit.add_grant(Grant(grant_id=name, subject="anna", created_at=1.0, **common))
        unit.add_consent(Consent(consent_id=name, subject="anna", wording="{}", allowed_at=1.0, **common))
        times = {"issued_at": 1.0, "expires_at": 9.0}
        unit.add_access_token(AccessTokenRecord(token_id=name, hash=hashed, subject="anna", **times, **common))
        device = {"device_hash": hashed, "user_hash": hashed, "interval": 5.0}
        unit.add_device(DeviceRecord(created_at=1.0, expires_at=9.0, **device, **common))


def count_steps(folder, rows):
    """How many instructions SQLite executes to delete the unused clients, and to list the tokens of another client."""
    engine = build_engine(f"sqlite:///{folder}/{rows}.sqlite")
    store = SQLAlchemyStore(engine)
    store.create_tables()
    with store.writing() as unit:
        fill_tables(unit, rows)
    steps = []
    with engine.begin() as connection:
        connection.connection.driver_connection.set_progress_handler(lambda: steps.append(1) and None, 1)
        unit = SQLAlchemyUnit(connection, [], lambda _later: None)
        assert unit.prune_clients(3.0, 100) == 10
        pruned = len(steps)
        assert unit.list_live_token_ids(client_id="tool1", now=2.0) == ()
    store.close()
    return pruned, len(steps) - pruned


@pytest.mark.slow
def test_the_end_of_a_client_costs_the_same_among_many_rows_of_others(tmp_path):
    few, many = count_steps(tmp_path, 10), count_steps(tmp_path, 1000)
    assert many == few
