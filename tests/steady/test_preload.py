"""`gunicorn --preload`: workers forked off a process that has served, with PostgreSQL and Redis."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import urllib3

from pyramid_oauthguard.server.store.sqlalchemy.engine import build_engine
from pyramid_oauthguard.server.store.sqlalchemy.schema import upgrade
from pyramid_oauthguard.testing import bearer
from tests.server.databases import make_database, postgresql  # noqa: F401  # a fixture
from tests.steady.preloaded import AUDIENCE, USERS
from tests.steady.redis_server import RedisServer, find_free_port, run_redis

pytestmark = [pytest.mark.slow, pytest.mark.needs("initdb", "pg_ctl", "redis-server"), pytest.mark.promise("GD-29")]

WORKERS, THREADS = 2, 4
REQUESTS = 96


@contextmanager
def run_gunicorn(application: str, port: int, environment: Mapping[str, str], log: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "gunicorn", "--preload", "--workers", str(WORKERS), "--worker-class", "gthread"]
    command += [
        "--threads",
        str(THREADS),
        "--bind",
        f"127.0.0.1:{port}",
        "--no-control-socket",
        f"tests.steady.preloaded:{application}()",
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=output, stderr=output)
    try:
        wait_until_it_serves(process, port, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def wait_until_it_serves(process: Any, port: int, log: Path) -> None:
    deadline = time.monotonic() + 60
    pool = urllib3.PoolManager(retries=False, timeout=5)
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            pool.request("GET", f"http://127.0.0.1:{port}/who")
        except urllib3.exceptions.HTTPError:
            time.sleep(0.05)
        else:
            pool.clear()
            return
    raise AssertionError(log.read_text())


class Caller:
    """Many requests at once."""

    def __init__(self, tokens: Mapping[str, str]) -> None:
        self.tokens = tokens
        self._pool = urllib3.PoolManager(maxsize=8, retries=False, timeout=30)

    def ask_all(self, url: str) -> list[tuple[str, int, Any, Any]]:
        """Of each request: whose token it brought, the status, whom it was taken for, and by which process."""
        users = [USERS[number % len(USERS)] for number in range(REQUESTS)]
        with ThreadPoolExecutor(8) as threads:
            return list(threads.map(lambda user: self.ask(url, user), users))

    def ask(self, url: str, user: str) -> tuple[str, int, Any, Any]:
        # Connections of their own, so that the requests reach all workers.
        headers = {**bearer(self.tokens[user]), "Connection": "close"}
        answer = self._pool.request("GET", f"{url}/who", headers=headers)
        told = answer.json() if answer.status == 200 else {}
        return user, answer.status, told.get("who"), told.get("process")

    def revoke(self, url: str, user: str, client: list[str]) -> int:
        headers = urllib3.make_headers(basic_auth=":".join(client))
        form = {"token": self.tokens[user]}
        answer = self._pool.request_encode_body("POST", f"{url}/oauth/revoke", form, headers, encode_multipart=False)
        return answer.status

    def close(self) -> None:
        self._pool.clear()


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with run_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.mark.parametrize("kept", [0, 2], ids=["live", "cached"])
def test_workers_answer_each_user_as_that_user_and_see_each_revocation(
    postgresql: str,  # noqa: F811
    redis_server: RedisServer,
    tmp_path: Path,
    kept: int,
) -> None:
    database = make_database(postgresql)
    engine = build_engine(database)
    upgrade(engine)
    engine.dispose()
    port, known = find_free_port(), tmp_path / "known.json"
    issuer = f"http://127.0.0.1:{port}"
    guard = {
        "oauthguard.issuer": issuer,
        "oauthguard.audience": AUDIENCE,
        "oauthguard.cache.introspection.expiration_time": str(kept),
        "oauthguard.introspection.max_in_flight": str(THREADS),
        **redis_server.settings("metadata", "jwks", "introspection", "inactive"),
    }
    server = {
        "issuer": issuer,
        "audience": AUDIENCE,
        "scopes": "read = Read",
        "default_scopes": "read",
        "sqlalchemy.url": database,
        "pepper_file": str(tmp_path / "pepper"),
        "signing.algorithm": "ES256",
        "limits.introspection": "100000/1m",
        "limits.cache.backend": "dogpile.cache.redis",
        "limits.cache.arguments.port": str(redis_server.port),
    }
    environment = {
        "KNOWN": str(known),
        "ISSUER_SETTINGS": json.dumps(
            {**guard, **{f"oauthguard.server.{key}": value for key, value in server.items()}}
        ),
        "API_SETTINGS": json.dumps(guard),
    }
    with (
        run_gunicorn("build_issuer", port, environment, tmp_path / "issuer.log"),
        run_gunicorn("build_api", find_free_port(), environment, tmp_path / "api.log") as api,
    ):
        told = json.loads(known.read_text())
        caller = Caller(told["tokens"])
        for url in (api, issuer):
            check_all(caller.ask_all(url), gone=())
        gone = USERS[::2]
        assert [caller.revoke(issuer, user, told["program"]) for user in gone] == [200] * len(gone)
        time.sleep(kept)
        for url in (api, issuer):
            check_all(caller.ask_all(url), gone=gone)
        caller.close()
    for log in ("issuer.log", "api.log"):
        assert "Traceback" not in (tmp_path / log).read_text()


def check_all(answers: list[tuple[str, int, Any, Any]], *, gone: tuple[str, ...]) -> None:
    assert Counter(status for _user, status, _who, _process in answers) == Counter(
        401 if user in gone else 200 for user, _status, _who, _process in answers
    )
    assert [(user, who) for user, status, who, _process in answers if status == 200 and who != user] == []
    assert {status for user, status, _who, _process in answers if user in gone} <= {401}
    assert len({process for *_rest, process in answers if process}) == WORKERS, "all of them have served"
