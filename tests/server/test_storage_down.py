"""When the storage fails: 503, never 200, never 500."""

from __future__ import annotations

import sqlite3
import threading
import time

import pytest
from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationExecutionError
from webtest import TestApp

pytestmark = pytest.mark.slow

GRANT = {"grant_type": "client_credentials"}


@pytest.mark.promise("RV-04")
@pytest.mark.parametrize("endpoint", ["token", "revoke", "introspect"])
def test_storage_down_is_503(server, endpoint):
    token = server.token()
    headers = server.basic(server.api if endpoint == "introspect" else server.program)
    with sqlite3.connect(server.file) as database:
        database.execute("ALTER TABLE oauth_clients RENAME TO gone")
        database.execute("ALTER TABLE oauth_access_tokens RENAME TO gone_too")
    database.close()
    answer = server.app.post(f"/oauth/{endpoint}", {**GRANT, "token": token}, headers=headers, status=503)
    assert answer.headers["Retry-After"] == "5"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json == {"error": "temporarily_unavailable", "error_description": "Try again later."}


@pytest.mark.promise("RV-04")
def test_a_revocation_that_could_not_be_written_is_503_and_told_to_nobody(server):
    token = server.token()
    heard = []
    server.registry.registerHandler(heard.append, [None])
    with sqlite3.connect(server.file) as database:
        database.execute(
            "CREATE TRIGGER refuse BEFORE UPDATE ON oauth_access_tokens BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    database.close()
    assert server.revoke(token).status_int == 503
    assert not [event for event in heard if "Revoked" in type(event).__name__]
    assert server.introspect(token)["active"] is True


def test_a_database_that_can_not_be_opened_stops_start_up_naming_the_key(tmp_path):
    file = tmp_path / "oauth.sqlite"
    file.write_bytes(b"this is no database, but it is long enough to look at" * 100)
    config = Configurator(
        settings={
            "oauthguard.server.issuer": "http://localhost:6543",
            "oauthguard.server.audience": "https://api.example",
            "oauthguard.server.sqlalchemy.url": f"sqlite:///{file}",
        }
    )
    config.include("pyramid_oauthguard.server")
    with pytest.raises(ConfigurationExecutionError, match=r"oauthguard\.server\.sqlalchemy\.url: can't be opened"):
        config.commit()


@pytest.mark.promise("RV-04")
def test_a_sqlite_file_that_another_program_keeps_locked_is_503(build):
    server = build({"database.lock_timeout": "0.1"})
    token = server.token()
    holder = sqlite3.connect(server.file, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    assert server.revoke(token).status_int == 503
    answer = server.app.post(
        "/oauth/token", {"grant_type": "client_credentials"}, headers=server.basic(server.program), status=503
    )
    assert answer.headers["Retry-After"]
    holder.rollback()
    holder.close()
    assert server.revoke(token).status_int == 200


@pytest.mark.promise("RV-04")
def test_threads_that_wait_for_a_locked_file_do_not_wait_one_after_the_other(build):
    """Each waits for its turn no longer than for the file."""
    server = build({"database.lock_timeout": "1"})
    holder = sqlite3.connect(server.file, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    answers = []
    begun = time.monotonic()

    def ask():
        app = TestApp(server.app.app)
        answers.append(app.post("/oauth/token", GRANT, headers=server.basic(server.program), status="*").status_int)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(answers) == {503}
    assert time.monotonic() - begun < 8, "it was 16: two writes of each, the one after the other"
    holder.rollback()
    holder.close()
    assert server.token()
