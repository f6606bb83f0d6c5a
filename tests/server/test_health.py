"""The health view of an authorization server: each fault of its storage, by name, and never for long."""

from __future__ import annotations

import sqlite3
import time
from typing import Any

import pytest
from pyramid.interfaces import ISecurityPolicy
from webtest import TestApp

from pyramid_oauthguard.health import find_board
from pyramid_oauthguard.server.self_check.probes import find_prune_lag, write_and_roll_back
from pyramid_oauthguard.server.tokens.pruning import KEEP_SECONDS, prune
from tests.server.cluster import run_cluster
from tests.steady.redis_server import run_redis

HEALTH = "/oauthguard/health"


def look(server: Any) -> tuple[int, str]:
    find_board(server.registry)._start_anew()
    answer = server.app.get(HEALTH, status="*")
    return answer.status_int, answer.text.strip()


def find_reasons(server: Any) -> dict[str, str]:
    """What is not well, by name: as the last report has it."""
    seen = find_board(server.registry).find().seen
    return {name: each.reading.reason for name, each in seen.items() if each.reading.level != "ok"}


def execute(server: Any, *statements: str) -> None:
    with sqlite3.connect(server.file) as database:
        for each in statements:
            database.execute(each)
    database.close()


def test_a_server_that_is_well_is_ready(build: Any) -> None:
    server = build()
    assert look(server) == (200, "ready")
    seen = find_board(server.registry).find().seen
    assert set(seen) == {"database", "signing key", "expired rows"}
    assert seen["signing key"].reading.facts["age_seconds"] >= 0
    assert server.app.get(f"{HEALTH}/alive").text == "alive\n"


def test_nothing_stays_of_what_it_writes(build: Any) -> None:
    server = build()
    for _ in range(3):
        look(server)
    assert write_and_roll_back(server.service.store) > 0
    with sqlite3.connect(server.file) as database:
        assert database.execute("SELECT count(*) FROM oauth_assertions").fetchone() == (0,)
    database.close()


@pytest.mark.slow
def test_a_database_that_another_program_has_locked(build: Any) -> None:
    server = build({"database.lock_timeout": "0.2"})
    assert look(server) == (200, "ready")
    other = sqlite3.connect(server.file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert look(server) == (503, "not ready")
    assert find_reasons(server)["database"] == "locked"
    assert server.app.get(f"{HEALTH}/alive").text == "alive\n"
    other.execute("ROLLBACK")
    other.close()
    time.sleep(2.1)  # the store is asked once in two seconds
    assert look(server) == (200, "ready")


def test_a_database_without_its_tables(build: Any) -> None:
    server = build()
    execute(server, "ALTER TABLE oauth_assertions RENAME TO gone")
    assert look(server) == (503, "not ready")
    assert find_reasons(server)["database"] == "storage"


def test_a_pepper_that_is_not_that_of_the_keys(build: Any) -> None:
    server = build()
    server.token()
    execute(server, "UPDATE oauth_signing_keys SET private_box = zeroblob(200)")
    assert look(server) == (503, "not ready")
    assert find_reasons(server) == {"signing key": "wrong_pepper"}


def test_a_key_that_is_missing_is_made_as_a_token_request_would(build: Any) -> None:
    server = build()
    execute(server, "DELETE FROM oauth_signing_keys")
    assert look(server) == (200, "ready")
    assert len(server.service.keys.list_published()) == 1


def test_a_key_that_is_missing_and_can_not_be_made(build: Any) -> None:
    server = build()
    execute(
        server,
        "DELETE FROM oauth_signing_keys",
        "CREATE TRIGGER no_keys BEFORE INSERT ON oauth_signing_keys BEGIN SELECT RAISE(ABORT, 'no'); END",
    )
    assert look(server) == (503, "not ready")
    assert set(find_reasons(server)) == {"signing key"}


def test_rows_that_nobody_prunes_are_told_by_their_age(build: Any) -> None:
    server = build()
    store = server.service.store
    assert find_prune_lag(store) == 0
    server.token()
    assert find_prune_lag(store) == 0
    execute(server, f"UPDATE oauth_access_tokens SET expires_at = {time.time() - KEEP_SECONDS - 5000}")  # noqa: S608  # a number
    assert find_prune_lag(store) == pytest.approx(5000, abs=60)
    look(server)
    assert find_board(server.registry).find().seen["expired rows"].reading.facts["lag_seconds"] > 4900
    prune(store)
    assert find_prune_lag(store) == 0


@pytest.mark.slow
@pytest.mark.needs("redis-server")
def test_the_cache_of_limits(build: Any, tmp_path: Any) -> None:
    with run_redis(tmp_path) as redis:
        cache = {
            "limits": "on",
            "limits.cache.backend": "dogpile.cache.redis",
            "limits.cache.arguments.port": str(redis.port),
        }
        server = build(cache)
        assert look(server) == (200, "ready")
        redis.kill()
        assert look(server) == (200, "degraded")
        assert find_reasons(server) == {"cache limits": "cache_away"}


class Operators:
    """A security policy."""

    def identity(self, request: Any) -> None:
        return None

    authenticated_userid = identity

    def permits(self, request: Any, context: Any, permission: str) -> bool:
        return request.headers.get("Authorization") == "Operator"


@pytest.mark.promise("MO-03")
def test_an_application_without_a_policy_tells_nobody(build: Any) -> None:
    server = build()
    assert server.registry.queryUtility(ISecurityPolicy) is None
    for accept in ("application/json", "*/*"):
        assert server.app.get(HEALTH, headers={"Accept": accept, "Authorization": "Operator"}).text == "ready\n"


@pytest.mark.promise("MO-03")
def test_the_reasons_have_no_address_of_the_database(build: Any) -> None:
    server = build(configure=lambda config: config.set_security_policy(Operators()))
    execute(server, "ALTER TABLE oauth_assertions RENAME TO gone")
    find_board(server.registry)._start_anew()
    answer = server.app.get(HEALTH, headers={"Authorization": "Operator"}, status=503)
    assert answer.json["checks"]["database"]["reason"] == "storage"
    for text in (str(server.file), "oauth_assertions", "sqlite", "gone"):
        assert text not in answer.text
    assert server.app.get(HEALTH, status=503).text == "not ready\n"


def test_a_guard_and_a_server_in_one_process_are_told_together(build: Any) -> None:
    def configure(config: Any) -> None:
        config.registry.settings |= {
            "oauthguard.issuer": "http://localhost:6543",
            "oauthguard.audience": "https://api.example",
        }
        config.include("pyramid_oauthguard")

    server = build(configure=configure)
    assert look(server) == (200, "ready")
    assert set(find_board(server.registry).find().seen) == {"keys", "database", "signing key", "expired rows"}


def set_read_only(cluster: Any, value: str) -> None:
    with cluster.connect() as connection:
        connection.exec_driver_sql("SET default_transaction_read_only = off")
        connection.exec_driver_sql(f"ALTER DATABASE postgres SET default_transaction_read_only = {value}")


# ── PostgreSQL ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.needs("initdb", "pg_ctl")
@pytest.mark.promise("MO-02")
def test_postgresql_read_only_away_frozen_and_back(build: Any) -> None:
    with run_cluster() as cluster:
        cluster.upgrade()
        pepper = cluster._folder / "pepper"
        server = build({"sqlalchemy.url": cluster.url, "pepper_file": str(pepper)})
        assert look(server) == (200, "ready")
        set_read_only(cluster, "on")
        server.service.store.close()
        assert look(server) == (503, "not ready")
        assert find_reasons(server)["database"] == "read_only"
        set_read_only(cluster, "off")
        server.service.store.close()
        assert look(server) == (200, "ready")
        cluster.freeze()
        began = time.monotonic()
        assert look(server) == (503, "not ready")
        for _ in range(100):  # nobody waits any more
            assert TestApp(server.app.app).get(HEALTH, status=503).text == "not ready\n"
        assert time.monotonic() - began < 20, "it hangs"
        assert find_reasons(server)["database"] == "no_answer"
        cluster.thaw()
        cluster.stop()
        time.sleep(2.1)  # the store is asked once in two seconds
        assert look(server) == (503, "not ready")
        cluster.start()
        deadline = time.monotonic() + 30
        while look(server) != (200, "ready"):
            assert time.monotonic() < deadline
            time.sleep(0.5)
