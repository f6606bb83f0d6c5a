"""A refresh token whose replacement was written slowly is not a stolen one: the grace begins when the replacement can be seen."""

from __future__ import annotations

import threading
import time

import pytest
import sqlalchemy as sa
from webtest import TestApp

from pyramid_oauthguard.server.opaque import make_id
from tests.server.cluster import run_cluster
from tests.server.conftest import basic
from tests.server.flows import build_flow

pytestmark = pytest.mark.slow

GRACE_SECONDS = 2.0
STALL_SECONDS = 3.0
USERS = 8


def refresh(flow, token, status="*"):
    made = flow.web
    form = {"grant_type": "refresh_token", "refresh_token": token}
    app = TestApp(flow.server.app.app)
    return app.post("/oauth/token", form, headers=basic(made.client.client_id, made.secret), status=status)


def sign_in(flow, users=USERS):
    """The refresh tokens of so many users."""
    browsers = [flow.sign_in(f"user-{number}") for number in range(users)]
    return [flow.redeem(flow.allow(browser=browser))["refresh_token"] for browser in browsers]


def run_at_once(calls):
    answers = [None] * len(calls)

    def run(number):
        answers[number] = calls[number]()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(calls))]
    for thread in threads:
        thread.start()
    return threads, answers


def expect_the_same(answers):
    assert {answer.status_int for answer in answers} == {200}
    [token] = {answer.json["refresh_token"] for answer in answers}
    return token


@pytest.fixture(scope="module")
def cluster():
    with run_cluster() as cluster:
        cluster.upgrade()
        yield cluster


@pytest.fixture
def on_postgresql(build, cluster):
    """A server whose own limits are longer than what stalls here."""
    settings = {
        "sqlalchemy.url": cluster.url,
        "pepper_file": str(cluster._folder / "pepper"),
        "database.statement_timeout": "30",
        "database.lock_timeout": "30",
        "refresh_reuse_grace": str(GRACE_SECONDS),
    }
    flow = build_flow(build, settings)
    yield flow
    flow.server.service.store.close()


@pytest.fixture
def on_sqlite(build):
    return build_flow(build, {"refresh_reuse_grace": str(GRACE_SECONDS), "database.lock_timeout": "30"})


@pytest.mark.promise("TK-05")
@pytest.mark.needs("initdb", "pg_ctl")
def test_a_lock_that_lasts_longer_than_the_grace_signs_nobody_out(on_postgresql, cluster):
    """Each client gives up waiting and sends its token again, while its first request still waits for the lock."""
    flow = on_postgresql
    tokens = sign_in(flow)
    with cluster.connect() as other:
        other.exec_driver_sql("BEGIN")
        other.exec_driver_sql("LOCK TABLE oauth_refresh_tokens IN SHARE MODE")
        first, answers = run_at_once([lambda token=token: refresh(flow, token) for token in tokens])
        time.sleep(0.5)
        second, again = run_at_once([lambda token=token: refresh(flow, token) for token in tokens[:6]])
        time.sleep(STALL_SECONDS)
        other.exec_driver_sql("ROLLBACK")
        for thread in (*first, *second):
            thread.join()
    for number, token in enumerate(tokens):
        following = expect_the_same([answers[number], *again[number : number + 1]])
        assert following != token
        refresh(flow, following, status=200)


@pytest.mark.promise("TK-05")
@pytest.mark.needs("initdb", "pg_ctl")
def test_a_request_that_comes_after_a_long_lock_is_within_the_grace(on_postgresql, cluster):
    flow = on_postgresql
    [token] = sign_in(flow, 1)
    with cluster.connect() as other:
        other.exec_driver_sql("BEGIN")
        other.exec_driver_sql("LOCK TABLE oauth_refresh_tokens IN SHARE MODE")
        [thread], answers = run_at_once([lambda: refresh(flow, token)])
        time.sleep(STALL_SECONDS)
        other.exec_driver_sql("ROLLBACK")
        thread.join()
    expect_the_same([*answers, refresh(flow, token)])


@pytest.mark.promise("TK-05")
@pytest.mark.needs("initdb", "pg_ctl")
def test_a_commit_that_stalls_signs_nobody_out(on_postgresql, cluster):
    flow = on_postgresql
    [token] = sign_in(flow, 1)
    name = f"stall_{make_id().lower().replace('-', '_')}"
    with cluster.connect() as other:
        other.exec_driver_sql(
            f"CREATE FUNCTION {name}() RETURNS trigger AS "
            f"$$ BEGIN PERFORM pg_sleep({STALL_SECONDS}); RETURN NULL; END $$ LANGUAGE plpgsql"
        )
        other.exec_driver_sql(
            f"CREATE CONSTRAINT TRIGGER {name} AFTER INSERT ON oauth_refresh_tokens "
            f"DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION {name}()"
        )
        first = refresh(flow, token)
        other.exec_driver_sql(f"DROP TRIGGER {name} ON oauth_refresh_tokens")
    expect_the_same([first, refresh(flow, token)])


@pytest.mark.promise("TK-05")
@pytest.mark.needs("initdb", "pg_ctl")
def test_a_commit_that_ends_after_nobody_waits_for_it_signs_nobody_out(on_postgresql, cluster):
    """As while the other server of a synchronous replication can't be reached: the commit is answered once that is over."""
    flow = on_postgresql
    tokens = sign_in(flow, 3)
    _be_impatient(flow)
    with cluster.connect() as other:
        other.exec_driver_sql("ALTER SYSTEM SET synchronous_standby_names = 'away'")
        other.exec_driver_sql("SELECT pg_reload_conf()")
        time.sleep(0.5)
        waiting, answers = run_at_once([lambda token=token: refresh(flow, token) for token in tokens])
        for thread in waiting:
            thread.join()
        assert {answer.status_int for answer in answers} == {503}
        time.sleep(STALL_SECONDS)
        other.exec_driver_sql("ALTER SYSTEM RESET synchronous_standby_names")
        other.exec_driver_sql("SELECT pg_reload_conf()")
    time.sleep(2.5)  # for so long after it gave up, the server leaves the database alone
    for token in tokens:
        expect_the_same([refresh(flow, token), refresh(flow, token)])
        time.sleep(GRACE_SECONDS + 0.1)
        assert refresh(flow, token).status_int == 400, "the first request that found it used began the grace"


def _be_impatient(flow):
    """Give up before the database does."""
    store = flow.server.service.store

    def set_patience(_connection, record, _proxy):
        record.driver_connection.patience_seconds = 1.0

    sa.event.listen(store._engine, "checkout", set_patience)


@pytest.mark.promise("TK-05")
def test_a_slow_transaction_on_sqlite_signs_nobody_out(on_sqlite):
    flow = on_sqlite
    [token] = sign_in(flow, 1)
    store = flow.server.service.store

    def add_function(connection, _record):
        connection.create_function("stall", 0, lambda: time.sleep(STALL_SECONDS))

    sa.event.listen(store._engine, "connect", add_function)
    store.close()
    with store.writing() as unit:
        unit._connection.exec_driver_sql(
            "CREATE TRIGGER stall AFTER INSERT ON oauth_refresh_tokens BEGIN SELECT stall(); END"
        )
    first = refresh(flow, token)
    with store.writing() as unit:
        unit._connection.exec_driver_sql("DROP TRIGGER stall")
    expect_the_same([first, refresh(flow, token)])


@pytest.mark.promise("TK-05")
@pytest.mark.parametrize(
    "flow", ["on_sqlite", pytest.param("on_postgresql", marks=pytest.mark.needs("initdb", "pg_ctl"))]
)
def test_a_stolen_token_is_still_found_out_and_the_log_says_so(flow, request, caplog):
    flow = request.getfixturevalue(flow)
    one, other = sign_in(flow, 2)
    first = refresh(flow, one).json["refresh_token"]
    time.sleep(GRACE_SECONDS + 0.1)
    assert refresh(flow, one).status_int == 400, "after the grace"
    assert refresh(flow, first).status_int == 400, "and all of the grant has ended"
    second = refresh(flow, other).json["refresh_token"]
    refresh(flow, second, status=200)
    assert refresh(flow, other).status_int == 400, "what replaced it was used"
    assert refresh(flow, other).status_int == 400
    warnings = [record.getMessage() for record in caplog.records if "was used again" in record.getMessage()]
    assert len(warnings) == 2, "one for each that was found out"
    assert all(flow.web.client.client_id in line and " ends with all its tokens" in line for line in warnings)
    for token in (one, other, first, second):
        assert token not in caplog.text
        assert token[27:] not in caplog.text


@pytest.mark.needs("initdb", "pg_ctl")
def test_without_a_grace_nothing_is_shielded(build, cluster):
    settings = {"sqlalchemy.url": cluster.url, "pepper_file": str(cluster._folder / "pepper")}
    flow = build_flow(build, {**settings, "refresh_reuse_grace": "0"})
    [token] = sign_in(flow, 1)
    assert refresh(flow, token).status_int == 200
    assert refresh(flow, token).status_int == 400
    flow.server.service.store.close()


def test_codes_that_come_again_are_in_the_log_too(on_sqlite, caplog):
    code = on_sqlite.allow()
    on_sqlite.redeem(code)
    on_sqlite.redeem(code, status=400)
    [warning] = [message for message in caplog.messages if "was used again" in message]
    assert ": a code of client" in warning
    assert code not in caplog.text
