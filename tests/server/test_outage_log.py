"""What the log says of an outage of the storage: the code of its cause, a line for each cause, and how often it failed."""

from __future__ import annotations

import base64
import logging
import sqlite3
from collections import Counter

import pytest

from pyramid_oauthguard import outages as module
from tests.server.cluster import run_cluster
from tests.server.flows import build_flow

pytestmark = pytest.mark.slow

TOKEN = {"grant_type": "client_credentials"}


class Clock:
    now = 1000.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.INFO, "pyramid_oauthguard")
    return lambda: [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def ask(server, path="token"):
    headers = server.basic(server.api if path == "introspect" else server.program)
    return server.app.post(f"/oauth/{path}", {**TOKEN, "token": "x"}, headers=headers, status="*").status_int


def hide_clients(server, name="hidden"):
    with sqlite3.connect(server.file) as database:
        database.execute(f"ALTER TABLE oauth_clients RENAME TO {name}")
    database.close()


def show_clients(server):
    with sqlite3.connect(server.file) as database:
        database.execute("ALTER TABLE hidden RENAME TO oauth_clients")
    database.close()


def test_an_outage_is_one_line_with_the_name_of_the_error_and_one_at_its_end(build, clock, log):
    server = build()
    assert ask(server) == 200
    hide_clients(server)
    for number in range(300):
        clock.now += 0.1
        assert ask(server, ("token", "introspect", "revoke")[number % 3]) == 503
    show_clients(server)
    assert ask(server) == 200
    [first] = log()
    assert "/oauth/token: unavailable: storage: OperationalError SQLITE_ERROR" in first
    clock.now += 5
    assert ask(server) == 200
    assert log()[1:] == ["storage: OperationalError SQLITE_ERROR: works again, after 35 seconds and 300 failures"]


def test_a_long_outage_is_one_line_each_minute_with_a_count(build, clock, log):
    server = build()
    hide_clients(server)
    for _ in range(300):
        clock.now += 1
        assert ask(server) == 503
    lines = log()
    assert len(lines) == 5
    assert all("(60 failures in 60 seconds)" in line for line in lines[1:])


def test_what_a_request_lets_pass_does_not_fill_the_log_either(build, clock, log):
    """The upkeep of the keys, and when a secret was last used, are not worth refusing a request; nor a line each."""
    server = build({"database.lock_timeout": "0.01", "signing.rotation": "2d"})
    server.service.keys._policy = type(server.service.keys._policy)(
        algorithm="EdDSA", rotation=0.0, lead=120.0, token_life=600.0
    )  # a key of another algorithm is due
    holder = sqlite3.connect(server.file, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    assert {ask(server, "introspect") for _ in range(20)} == {200}
    assert {server.app.get("/oauth/jwks").status_int for _ in range(20)} == {200}
    holder.rollback()
    holder.close()
    [line] = log()
    assert "the signing keys can't be brought up to date: storage: OperationalError SQLITE_BUSY" in line


def test_pages_are_counted_with_the_endpoints(build, clock, log):
    flow = build_flow(build)
    browser = flow.sign_in()
    hide_clients(flow.server)
    for _ in range(10):
        browser.get("/oauth/authorize", flow.ask(), status=503)
        assert ask(flow.server) == 503
    assert len(log()) == 1


@pytest.mark.needs("initdb", "pg_ctl")
def test_the_sqlstate_of_postgresql_is_named(build, clock, log, tmp_path):
    with run_cluster() as cluster:
        cluster.upgrade()
        server = build({"sqlalchemy.url": cluster.url, "pepper_file": str(tmp_path / "pepper")})
        assert ask(server) == 200
        with cluster.connect() as other:
            other.exec_driver_sql("ALTER TABLE oauth_clients RENAME TO hidden")
            assert {ask(server) for _ in range(20)} == {503}
            other.exec_driver_sql("ALTER TABLE hidden RENAME TO oauth_clients")
            other.exec_driver_sql("BEGIN")
            other.exec_driver_sql("LOCK TABLE oauth_audit")
            assert ask(server) == 503
            other.exec_driver_sql("ROLLBACK")
            other.exec_driver_sql("ALTER SYSTEM SET max_connections = 5")
        cluster.stop()
        assert {ask(server) for _ in range(20)} == {503}
        cluster.start()
        assert ask(server) == 200
        server.service.store.close()
    lines = log()
    found = Counter(code for line in lines for code in ("42P01", "55P03", "Connection refused") if code in line)
    assert found == {"42P01": 1, "55P03": 1, "Connection refused": 1}
    assert len(lines) <= 4, "a connection that was open may end with words of its own"


def test_neither_values_nor_passwords_are_named(build, log, tmp_path):
    """A server that is not PostgreSQL, and a name that is not a server's."""
    for host in ("127.0.0.1:1", "nowhere.invalid:5432"):
        url = f"postgresql+psycopg://someone:sekrit@{host}/x?sslpassword=sekrit"
        (tmp_path / "pepper").write_bytes(base64.b64encode(bytes(range(32))))
        (tmp_path / "pepper").chmod(0o600)
        server = build({"sqlalchemy.url": url, "pepper_file": str(tmp_path / "pepper")}, clients=False)
        headers = {"Authorization": "Basic YTpi"}
        assert server.app.post("/oauth/token", TOKEN, headers=headers, status=503)
    text = "\n".join(log())
    assert "Connection refused" in text
    assert "sekrit" not in text
