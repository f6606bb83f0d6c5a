"""Behind PgBouncer, where a connection of PostgreSQL belongs to a transaction: everything works, and nothing of one
session reaches another."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url
from webtest import TestApp

from pyramid_oauthguard import UnavailableError
from pyramid_oauthguard.server.store.sqlalchemy import SQLAlchemyStore, schema
from pyramid_oauthguard.server.store.sqlalchemy.engine import build_engine
from tests.server.cluster import run_cluster
from tests.server.conftest import basic
from tests.server.flows import build_flow
from tests.server.pgbouncer import run_pgbouncer

pytestmark = [pytest.mark.slow, pytest.mark.needs("initdb", "pg_ctl", "pgbouncer")]
#: psycopg prepares a statement when it has run five times.
ROUNDS = 8
THREADS = 4
#: A request takes 6 seconds at most; the machine that runs the tests may be busy.
LIMIT_SECONDS = 9


@pytest.fixture(scope="module")
def cluster():
    with run_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def pooler(cluster):
    # Fewer connections than threads, so that each transaction may get that of another.
    with run_pgbouncer(cluster, "default_pool_size = 2") as pooler:
        engine = build_engine(pooler.url)
        assert schema.upgrade(engine)[1] == schema.HEAD
        assert schema.upgrade(engine) == (schema.HEAD, schema.HEAD)
        engine.dispose()
        yield pooler


@pytest.fixture
def flow(build, cluster, pooler):
    settings = {"sqlalchemy.url": pooler.url, "pepper_file": str(cluster._folder / "pepper")}
    flow = build_flow(build, settings)
    yield flow
    flow.server.service.store.close()


def live(flow, name):
    """The life of some tokens, from a code to the revocation."""
    server, made = flow.server, flow.web
    for number in range(ROUNDS):
        token = flow.redeem(flow.allow(browser=flow.sign_in(f"{name}-{number}")))
        headers = basic(made.client.client_id, made.secret)
        form = {"grant_type": "refresh_token", "refresh_token": token["refresh_token"]}
        fresh = TestApp(server.app.app).post("/oauth/token", form, headers=headers).json
        assert server.introspect(fresh["access_token"])["active"]
        assert server.revoke(fresh["refresh_token"], made).status_int == 200
        assert server.introspect(fresh["access_token"]) == {"active": False}
        assert server.introspect(server.token())["active"]


def test_statements_that_one_session_prepared_are_not_run_in_another(flow):
    with ThreadPoolExecutor(THREADS) as pool:
        for done in [pool.submit(live, flow, f"user-{number}") for number in range(THREADS)]:
            done.result()


def read(unit, name):
    return unit._connection.exec_driver_sql(f"SHOW {name}").scalar()


def read_others(pooler):
    """What another program of the same user sees in each connection of PostgreSQL."""
    engine = sa.create_engine(pooler.url, poolclass=sa.pool.NullPool, connect_args={"prepare_threshold": None})
    with engine.connect() as one, engine.connect() as other:
        found = {
            each.exec_driver_sql(f"SHOW {name}").scalar()
            for each in (one, other)
            for name in ("statement_timeout", "lock_timeout")
        }
    engine.dispose()
    return found


def test_limits_of_time_are_those_of_each_transaction_and_reach_no_other_program(flow, pooler):
    store = flow.server.service.store
    for _ in range(ROUNDS):
        with store.reading() as unit, store.writing() as other:
            for each in (unit, other):
                assert (read(each, "statement_timeout"), read(each, "lock_timeout")) == ("3s", "2s")
    assert read_others(pooler) == {"0"}
    with pytest.raises(UnavailableError, match="57014"), store.reading() as unit:
        unit._connection.exec_driver_sql("SELECT pg_sleep(30)")
    assert flow.server.token()


def test_commands_take_as_long_as_they_need_and_requests_do_not(flow, cluster, pooler):
    store = flow.server.service.store
    engine = build_engine(pooler.url)
    command = SQLAlchemyStore(engine)
    command.lift_time_limits()
    for _ in range(ROUNDS):
        with command.reading() as unit, store.reading() as other:
            assert (read(unit, "statement_timeout"), read(unit, "lock_timeout")) == ("0", "2s")
            assert unit._connection.connection.driver_connection.patience_seconds is None
            assert read(other, "statement_timeout") == "3s"
    engine.dispose()


def test_options_of_the_url_are_refused_by_name_or_without_effect(build, cluster, pooler):
    url = make_url(pooler.url).update_query_dict({"options": "-c statement_timeout=9000"})
    text = url.render_as_string(hide_password=False)
    engine = build_engine(text)
    with pytest.raises(UnavailableError, match="unsupported startup parameter: options"):
        SQLAlchemyStore(engine).check_tables()
    engine.dispose()
    with run_pgbouncer(cluster, "ignore_startup_parameters = options") as lenient:
        engine = build_engine(text.replace(str(pooler.port), str(lenient.port)))
        with SQLAlchemyStore(engine).reading() as unit:
            assert (read(unit, "statement_timeout"), read(unit, "lock_timeout")) == ("3s", "2s")
            assert unit._connection.connection.driver_connection.patience_seconds == 3.5
        engine.dispose()


def ask(flow):
    headers = flow.server.basic(flow.server.program)
    form = {"grant_type": "client_credentials"}
    return flow.server.app.post("/oauth/token", form, headers=headers, status="*").status_int


def assert_recovers(flow):
    deadline = time.monotonic() + 30
    while (status := ask(flow)) != 200:
        assert status == 503
        assert time.monotonic() < deadline
        time.sleep(0.2)


def assert_refuses_in_time(flow):
    begun = time.monotonic()
    assert ask(flow) == 503
    assert time.monotonic() - begun < LIMIT_SECONDS


def test_each_of_the_two_may_be_away(flow, cluster, pooler):
    assert ask(flow) == 200
    pooler.stop()
    assert_refuses_in_time(flow)
    pooler.start()
    assert_recovers(flow)
    cluster.stop()
    assert_refuses_in_time(flow)
    cluster.start()
    assert_recovers(flow)
    cluster.freeze()
    assert_refuses_in_time(flow)
    cluster.thaw()
    assert_recovers(flow)


def test_when_all_connections_are_busy_a_request_is_refused_in_time(flow, pooler):
    engine = sa.create_engine(pooler.url)
    with engine.connect() as one, engine.connect() as other:
        for each in (one, other):
            each.exec_driver_sql("SELECT 1")
        assert_refuses_in_time(flow)
    engine.dispose()
    assert_recovers(flow)


def test_without_a_pooler_the_limits_are_set_once_for_a_session(cluster):
    engine = build_engine(cluster.url)
    said = []
    sa.event.listen(engine, "before_cursor_execute", lambda *given: said.append(given[2]))
    store = SQLAlchemyStore(engine)
    with store.reading() as unit:
        assert read(unit, "statement_timeout") == "3s"
        assert unit._connection.connection.driver_connection.prepare_threshold == 5
    assert said == ["SHOW statement_timeout"]
    engine.dispose()
