"""A shared cache that fails, in whatever way, is no reason to stop counting guesses."""

from __future__ import annotations

import logging
import time

import pytest

from pyramid_oauthguard import shared_cache
from tests.server.conftest import basic
from tests.steady.redis_server import run_redis

pytestmark = [
    pytest.mark.slow,
    pytest.mark.needs("redis-server"),
    pytest.mark.filterwarnings("ignore:Call to deprecated setex"),  # dogpile's, of redis' own client
]
TOKEN = {"grant_type": "client_credentials"}


@pytest.fixture
def redis(tmp_path):
    with run_redis(tmp_path) as server:
        yield server


@pytest.fixture
def server(build, redis):
    server = build(
        {
            "limits": "on",
            "limits.failures": "20/1h",
            "limits.token": "30/1h",
            "limits.cache.backend": "dogpile.cache.redis",
            "limits.cache.arguments.port": str(redis.port),
        }
    )
    yield server
    backend = server.service.limits._tries._region.actual_backend
    backend.writer_client.close()
    backend.reader_client.close()


@pytest.fixture
def quick(monkeypatch):
    """Look again after a failure sooner than a test can wait."""
    monkeypatch.setattr(shared_cache, "_PAUSE_SECONDS", 0.2)


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.INFO)
    return lambda: [message for message in caplog.messages if "shared limits cache" in message]


def guess(server, times=200, client_id="customer-manager"):
    """How many guesses were looked at."""
    statuses = [
        server.app.post("/oauth/token", TOKEN, headers=basic(client_id, f"guess-{number}"), status="*").status_int
        for number in range(times)
    ]
    assert set(statuses) <= {401, 429}
    return statuses.count(401)


def overwrite(redis, value):
    for key in redis.read_all():
        redis.client.set(key, value)


def change_type(redis):
    for key in redis.read_all():
        redis.client.delete(key)
        redis.client.lpush(key, "x")


FAULTS = {
    "read-only": lambda redis: redis.client.execute_command("REPLICAOF", "127.0.0.1", "1"),
    "out of memory": lambda redis: redis.client.execute_command("CONFIG", "SET", "maxmemory", "1"),
    "may not write": lambda redis: redis.client.execute_command("ACL", "SETUSER", "default", "-@write"),
    "may not read": lambda redis: redis.client.execute_command("ACL", "SETUSER", "default", "-@read"),
    "wants a password": lambda redis: redis.client.execute_command("CONFIG", "SET", "requirepass", "x"),
    "killed": lambda redis: redis.kill(),
    "frozen": lambda redis: redis.freeze(),
    "emptied": lambda redis: redis.client.flushall(),
    "rubbish": lambda redis: overwrite(redis, b"\xff rubbish"),
    "another type": change_type,
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("before", [0, 12])
def test_guesses_stay_limited(server, redis, fault, before):
    assert guess(server, before) == before
    FAULTS[fault](redis)
    try:
        assert guess(server) == 20 - before
    finally:
        if fault == "frozen":
            redis.thaw()


def test_a_cache_that_is_emptied_at_each_request_limits_too(server, redis):
    looked_at = 0
    for _ in range(40):
        looked_at += guess(server, 1)
        redis.client.flushall()
    assert looked_at == 20


def test_a_client_that_may_do_so_much_may_not_do_more(server, redis):
    FAULTS["read-only"](redis)
    headers = server.basic(server.program)
    statuses = [server.app.post("/oauth/token", TOKEN, headers=headers, status="*").status_int for _ in range(40)]
    assert statuses == [200] * 30 + [429] * 10


def test_each_refusal_and_each_return_is_logged_once(server, redis, log):
    for number in (1, 2):
        FAULTS["read-only"](redis)
        guess(server, 10, client_id=f"one-{number}")
        redis.client.execute_command("REPLICAOF", "NO", "ONE")
        guess(server, 10, client_id=f"other-{number}")
    refusing = "the shared limits cache is refusing (ReadOnlyError): using this process's memory"
    assert log() == [refusing, "the shared limits cache accepts writes again"] * 2


@pytest.mark.usefixtures("quick")
def test_each_outage_and_each_return_is_logged_once(server, redis, log):
    guess(server, 1)
    for number in (1, 2):
        redis.kill()
        guess(server, 10, client_id=f"one-{number}")
        redis.start()
        time.sleep(0.25)
        guess(server, 10, client_id=f"other-{number}")
    away = "the shared limits cache is away (ConnectionError ECONNREFUSED): using this process's memory"
    assert log() == [away, "the shared limits cache is back"] * 2


@pytest.mark.usefixtures("quick")
def test_what_was_counted_in_an_outage_counts_when_the_cache_is_back(server, redis):
    redis.kill()
    assert guess(server, 15) == 15
    redis.start()
    time.sleep(0.25)
    assert guess(server) == 5
