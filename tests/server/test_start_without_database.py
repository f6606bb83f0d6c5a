"""A worker that starts while its database can't be reached, or has newer tables, does not end the service: 503 until the database works."""

from __future__ import annotations

import sqlite3
import time

import pytest
import sqlalchemy as sa
from pyramid.exceptions import ConfigurationExecutionError

from pyramid_oauthguard import UnavailableError
from pyramid_oauthguard.interfaces import ISelfCheck
from pyramid_oauthguard.server.clients import get_clients
from pyramid_oauthguard.server.service import IService
from pyramid_oauthguard.server.store.sqlalchemy import schema
from pyramid_oauthguard.server.store.sqlalchemy.engine import build_engine
from tests.server.cluster import run_cluster
from tests.server.databases import EACH, make_database

pytestmark = pytest.mark.slow

TOKEN = {"grant_type": "client_credentials"}
METADATA = "/.well-known/oauth-authorization-server"


@pytest.fixture(params=EACH)
def settings(request, tmp_path):
    """Of a server whose database has its tables, once of each kind."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/oauth.sqlite"
    else:
        url = make_database(request.getfixturevalue("postgresql"))
    engine = build_engine(url)
    schema.upgrade(engine)
    engine.dispose()
    return {"sqlalchemy.url": url, "pepper_file": str(tmp_path / "pepper")}


def set_revision(settings, revision):
    engine = build_engine(settings["sqlalchemy.url"])
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE oauth_alembic_version SET version_num = :to"), {"to": revision})
    engine.dispose()


def ask(app, headers, **more):
    return app.post("/oauth/token", TOKEN, headers=headers, **more)


def start(build, settings):
    """Another worker, which makes no clients."""
    return build(settings, clients=False)


@pytest.fixture
def running(build, settings):
    """One that started before anything happened."""
    return build(settings)


def test_newer_tables_are_503_until_they_fit(build, settings, running, caplog):
    headers = running.basic(running.program)
    set_revision(settings, "9999")
    app = start(build, settings).app
    text = f"the tables are of revision 9999, of a newer release than this one, which works with {schema.HEAD}"
    assert text in caplog.text
    for _ in range(3):
        assert ask(app, headers, status=503).headers["Retry-After"]
    assert app.get("/oauth/jwks", status=503)
    assert app.get(METADATA).json["issuer"]
    assert ask(running.app, headers).json["access_token"], "who runs already goes on: an upgrade adds before it removes"
    set_revision(settings, schema.HEAD)
    assert ask(app, headers).json["access_token"]
    assert app.get("/oauth/jwks").json["keys"]


def test_the_check_reports_newer_tables(build, settings, running):
    set_revision(settings, "9999")
    registry = start(build, settings).registry
    findings = list(registry.getUtility(ISelfCheck, name="server")(registry))
    [error] = [finding for finding in findings if finding.level == "error"]
    assert "revision 9999" in error.text
    assert "newer release" in error.text


@pytest.mark.parametrize("revision", ["0000", "0001", "theirs"])
def test_older_tables_stop_start_up(build, settings, running, revision):
    """The operator is there: it is the upgrade that was forgotten."""
    set_revision(settings, revision)
    with pytest.raises(ConfigurationExecutionError, match="oauthguard server upgrade INI"):
        start(build, settings)


@pytest.mark.needs("initdb", "pg_ctl")
def test_a_database_that_is_away_is_503_until_it_is_back(build, tmp_path, caplog):
    with run_cluster() as cluster:
        cluster.upgrade()
        settings = {"sqlalchemy.url": cluster.url, "pepper_file": str(tmp_path / "pepper")}
        before = build(settings)
        headers = before.basic(before.program)
        cluster.stop()
        server = start(build, settings)
        assert "Connection refused" in caplog.text
        for _ in range(3):
            ask(server.app, headers, status=503)
            server.app.get("/oauth/jwks", status=503)
            assert server.app.get(METADATA).json["issuer"]
        with pytest.raises(UnavailableError):
            get_clients(server.registry).list_all()
        cluster.start()
        assert ask(server.app, headers).json["access_token"]
        assert ask(before.app, headers).json["access_token"]
        close(before, server)


@pytest.mark.needs("initdb", "pg_ctl")
def test_a_database_that_is_frozen_delays_no_start_for_long(build, tmp_path):
    with run_cluster() as cluster:
        cluster.upgrade()
        settings = {"sqlalchemy.url": cluster.url, "pepper_file": str(tmp_path / "pepper")}
        before = build(settings)
        headers = before.basic(before.program)
        cluster.freeze()
        begun = time.monotonic()
        server = start(build, settings)
        assert time.monotonic() - begun < 10
        cluster.thaw()
        time.sleep(2.1)
        assert ask(server.app, headers).json["access_token"]
        close(before, server)


def test_a_sqlite_file_that_is_locked_is_503_until_it_is_free(build, tmp_path):
    settings = {"database.lock_timeout": "0.1"}
    before = build(settings)
    headers = before.basic(before.program)
    before.service.store.close()
    holder = sqlite3.connect(before.file, isolation_level=None)
    holder.execute("PRAGMA locking_mode = EXCLUSIVE")
    holder.execute("BEGIN EXCLUSIVE")
    server = start(build, settings)
    ask(server.app, headers, status=503)
    holder.rollback()
    holder.close()
    assert ask(server.app, headers).json["access_token"]


def close(*servers):
    for server in servers:
        server.registry.getUtility(IService).store.close()
