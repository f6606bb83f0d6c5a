"""A database that does not answer keeps no request waiting: 503 within a few seconds, and what needs no database works."""

from __future__ import annotations

import time

import pytest
import sqlalchemy as sa
from pyramid.exceptions import ConfigurationExecutionError
from pyramid.response import Response
from sqlalchemy.engine import make_url

from pyramid_oauthguard import UnavailableError
from pyramid_oauthguard.command.server.application import open_application
from pyramid_oauthguard.server.service import IService
from pyramid_oauthguard.server.store.contract import NoAnswerError
from pyramid_oauthguard.server.store.sqlalchemy import SQLAlchemyStore
from pyramid_oauthguard.server.store.sqlalchemy.engine import build_engine
from pyramid_oauthguard.server.time_limits import TimeLimits
from tests.server.cluster import run_cluster

pytestmark = [pytest.mark.slow, pytest.mark.needs("initdb", "pg_ctl")]
TOKEN = {"grant_type": "client_credentials"}
LIMIT_SECONDS = 5
#: The machine that runs the tests may be busy.
SLACK_SECONDS = 3


@pytest.fixture(scope="module")
def cluster():
    with run_cluster() as cluster:
        cluster.upgrade()
        yield cluster


@pytest.fixture
def running(cluster):
    yield cluster
    cluster.thaw()


def add_view(config):
    config.add_route("mine", "/mine")
    config.add_view(lambda request: Response("mine"), route_name="mine")


@pytest.fixture
def postgres(build, cluster, tmp_path):
    """A function that makes a server on this PostgreSQL."""

    def make(url=cluster.url, **settings):
        given = {name.replace("__", "."): value for name, value in settings.items()}
        database = {"sqlalchemy.url": url, "pepper_file": str(cluster._folder / "pepper")}
        return build({**database, **given}, configure=add_view)

    return make


@pytest.fixture
def server(postgres):
    return postgres()


def ask(server, path="token", **form):
    headers = server.basic(server.api if path == "introspect" else server.program)
    return server.app.post(f"/oauth/{path}", {**TOKEN, "token": "x", **form}, headers=headers, status="*")


@pytest.mark.promise("RV-04")
@pytest.mark.parametrize("path", ["token", "introspect", "revoke"])
@pytest.mark.parametrize("socket", [False, True])
def test_a_frozen_database_is_503_in_time(postgres, running, path, socket):
    server = postgres(running.socket_url if socket else running.url)
    assert ask(server, path).status_int == 200
    running.freeze()
    begun = time.monotonic()
    answer = ask(server, path)
    assert time.monotonic() - begun < LIMIT_SECONDS + SLACK_SECONDS
    assert answer.status_int == 503
    assert answer.headers["Retry-After"]
    running.thaw()
    assert_recovers(server, path)


def assert_recovers(server, path="token"):
    """Within the pause in which the database is left alone."""
    deadline = time.monotonic() + 15
    while (status := ask(server, path).status_int) != 200:
        assert status == 503
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_database_that_freezes_in_the_middle_of_a_statement_is_503_in_time(server, running):
    """A connection that is in use is not asked first whether it is alive."""
    with pytest.raises(NoAnswerError, match=r"no answer within 3\.5 seconds"):
        _run_frozen(server, running)
    running.thaw()
    assert_recovers(server)


def _run_frozen(server, running):
    with server.service.store.writing() as unit:
        unit.list_keys()
        running.freeze()
        begun = time.monotonic()
        try:
            unit.list_keys()
        finally:
            assert time.monotonic() - begun < LIMIT_SECONDS + SLACK_SECONDS


def test_only_one_request_at_a_time_waits_for_a_frozen_database(server, running):
    running.freeze()
    assert ask(server).status_int == 503
    begun = time.monotonic()
    assert {ask(server).status_int for _ in range(50)} == {503}
    assert time.monotonic() - begun < LIMIT_SECONDS + SLACK_SECONDS, "each of them would wait for seconds"


def test_what_needs_no_database_works_while_it_is_frozen(server, running):
    known = server.app.get("/oauth/jwks").json
    assert known["keys"]
    running.freeze()
    assert ask(server).status_int == 503
    begun = time.monotonic()
    for _ in range(10):
        assert server.app.get("/oauth/jwks").json == known
        assert server.app.get("/.well-known/oauth-authorization-server").json["issuer"]
        assert server.app.get("/mine").text == "mine"
    assert time.monotonic() - begun < LIMIT_SECONDS + SLACK_SECONDS


def test_a_key_set_that_was_read_longer_ago_is_not_published(server, running):
    """Another process may have revoked a key since."""
    assert server.app.get("/oauth/jwks").json["keys"]
    server.service.keys.forget()
    running.freeze()
    begun = time.monotonic()
    assert server.app.get("/oauth/jwks", status=503).headers["Retry-After"]
    assert time.monotonic() - begun < LIMIT_SECONDS + SLACK_SECONDS


def test_a_lock_that_another_transaction_holds_is_503_in_time(server, cluster):
    with cluster.connect() as other:
        other.exec_driver_sql("BEGIN")
        other.exec_driver_sql("LOCK TABLE oauth_access_tokens IN EXCLUSIVE MODE")
        begun = time.monotonic()
        assert ask(server).status_int == 503
        assert time.monotonic() - begun < LIMIT_SECONDS + SLACK_SECONDS
        assert ask(server, "introspect").status_int == 200, "reading needs no such lock"
        other.exec_driver_sql("ROLLBACK")
    assert ask(server).status_int == 200


def test_a_statement_that_takes_too_long_is_ended(server):
    with pytest.raises(UnavailableError, match="57014"), server.service.store.reading() as unit:
        unit._connection.exec_driver_sql("SELECT pg_sleep(30)")
    assert ask(server).status_int == 200


def read(server, name):
    with server.service.store.reading() as unit:
        return unit._connection.exec_driver_sql(f"SHOW {name}").scalar()


def test_the_limits_are_settings(postgres):
    server = postgres(database__statement_timeout="7", database__lock_timeout="5s")
    assert (read(server, "statement_timeout"), read(server, "lock_timeout")) == ("7s", "5s")
    server = postgres()
    assert (read(server, "statement_timeout"), read(server, "lock_timeout")) == ("3s", "2s")
    server = postgres(database__statement_timeout="0", database__lock_timeout="0")
    assert (read(server, "statement_timeout"), read(server, "lock_timeout")) == ("0", "0")


@pytest.mark.parametrize("name", ["connect_timeout", "statement_timeout", "lock_timeout", "pool_timeout"])
def test_a_limit_that_is_none_stops_start_up_by_name(postgres, name):
    with pytest.raises(ConfigurationExecutionError, match=rf"oauthguard\.server\.database\.{name}"):
        postgres(**{f"database__{name}": "soon"})


def test_what_the_url_says_comes_first(postgres, cluster):
    options = "-c statement_timeout=9000 -c work_mem=5MB"
    url = make_url(cluster.url).update_query_dict(
        {"options": options, "connect_timeout": "11", "keepalives_idle": "77"}
    )
    server = postgres(url.render_as_string(hide_password=False), database__statement_timeout="4")
    assert (read(server, "statement_timeout"), read(server, "lock_timeout"), read(server, "work_mem")) == (
        "9s",
        "2s",
        "5MB",
    )
    with server.service.store.reading() as unit:
        connection = unit._connection.connection.driver_connection
        given = connection.info.get_parameters()
        assert (given["connect_timeout"], given["keepalives_idle"]) == ("11", "77")
        assert (given["keepalives_interval"], given["tcp_user_timeout"]) == ("5", "5000")
        assert (connection.patience_seconds, connection.ping_seconds) == (9.5, 5.5)


def test_commands_may_take_as_long_as_they_need(cluster, tmp_path):
    """Such as pruning a large table. Whether the database answers is still found out."""
    ini = tmp_path / "server.ini"
    ini.write_text(
        "[app:main]\nuse = call:tests.server.ini_application:main\n"
        "oauthguard.server.issuer = http://localhost:6543\noauthguard.server.audience = https://api.example\n"
        f"oauthguard.server.signing.algorithm = ES256\noauthguard.server.sqlalchemy.url = {cluster.url}\n"
        f"oauthguard.server.pepper_file = {cluster._folder}/pepper\n"
    )
    with open_application(str(ini)) as registry:
        store = registry.getUtility(IService).store
        with store.reading() as unit:
            assert unit._connection.exec_driver_sql("SHOW statement_timeout").scalar() == "0"
            assert unit._connection.exec_driver_sql("SHOW lock_timeout").scalar() == "2s"
            unit._connection.exec_driver_sql("SELECT pg_sleep(4)")
        cluster.freeze()
        try:
            with pytest.raises(NoAnswerError), store.reading():
                pass
        finally:
            cluster.thaw()


def test_a_commit_is_waited_for_no_longer(cluster):
    engine = build_engine(cluster.url, TimeLimits(statement=1.0))
    store = SQLAlchemyStore(engine)
    try:
        begun = time.monotonic()
        with pytest.raises(NoAnswerError):
            _freeze_before_commit(store, cluster)
        assert time.monotonic() - begun < 1.5 + SLACK_SECONDS
    finally:
        cluster.thaw()
        engine.dispose()


def _freeze_before_commit(store, cluster):
    with store.writing() as unit:
        unit.count_device_try("anna", 0.0, 1.0)
        cluster.freeze()


def test_a_pool_whose_connections_are_all_in_use_is_503_in_time(postgres):
    server = postgres(database__pool_timeout="0.5")
    store = server.service.store
    units = [store.reading() for _ in range(15)]
    for unit in units:
        unit.__enter__()
    try:
        begun = time.monotonic()
        assert ask(server).status_int == 503
        assert time.monotonic() - begun < 0.5 * 2 + SLACK_SECONDS
    finally:
        for unit in units:
            unit.__exit__(None, None, None)
    assert ask(server).status_int == 200


def test_a_connection_that_the_server_closed_is_replaced(server, cluster):
    assert ask(server).status_int == 200
    with cluster.connect() as other:
        other.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
    assert {ask(server).status_int for _ in range(3)} == {200}


def test_an_address_where_nothing_answers_is_given_up_in_time():
    """Packets to it are lost: the connection is neither accepted nor refused. A full queue behaves so on loopback."""
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        engine = build_engine(f"postgresql+psycopg://test@127.0.0.1:{port}/postgres")
        begun = time.monotonic()
        with pytest.raises(sa.exc.OperationalError):
            engine.connect()
        assert time.monotonic() - begun < 2 + SLACK_SECONDS
        engine.dispose()
        for filler in fillers:
            filler.close()
