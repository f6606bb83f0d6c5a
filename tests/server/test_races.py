"""Several processes with several threads each do the same thing at the same moment: one winner, on every database."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from webtest import TestApp

from pyramid_oauthguard.server.keys import get_keys
from pyramid_oauthguard.server.store.sqlalchemy import SQLAlchemyStore
from pyramid_oauthguard.server.store.sqlalchemy.engine import build_engine
from tests.server.conftest import Build, basic
from tests.server.flows import CALLBACK, VERIFIER, Flow, build_flow
from tests.server.self_registered import GOOD, OPEN

pytestmark = pytest.mark.slow

PROCESSES = 3
THREADS = 4
SETTINGS = {"refresh_reuse_grace": "0", "signing.rotation": "10d"}


@pytest.fixture
def flow(build: Build, database: str, tmp_path: Path) -> Flow:
    store = SQLAlchemyStore(build_engine(database))
    store.create_tables()
    store.close()
    return build_flow(build, {**SETTINGS, "sqlalchemy.url": database, "pepper_file": str(tmp_path / "pepper")})


def race(flow: Flow, form: dict[str, str]) -> list[tuple[int, dict]]:
    """What each of the processes' threads was answered to the same token request, sent at once."""
    settings = flow.server.registry.settings
    task = {
        "settings": {name: value for name, value in settings.items() if name.startswith("oauthguard.")},
        "form": form,
        "headers": basic(flow.web.client.client_id, flow.web.secret),
        "threads": THREADS,
    }
    command = [sys.executable, "-W", "ignore", "-m", "tests.server.racing"]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        for _ in range(PROCESSES)
    ]
    for process in processes:
        process.stdin.write(json.dumps(task) + "\n")
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    moment = time.time() + 0.5
    for process in processes:
        process.stdin.write(f"{moment}\n")
    found = [tuple(answer) for process in processes for answer in json.loads(process.communicate(timeout=60)[0])]
    assert len(found) == PROCESSES * THREADS
    return found


@pytest.mark.promise("AS-09", "AS-40")
def test_of_many_processes_that_redeem_a_code_one_wins_and_all_of_it_ends(flow):
    form = {
        "grant_type": "authorization_code",
        "code": flow.allow(),
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
    }
    answers = race(flow, form)
    won = [body for status, body in answers if status == 200]
    assert len(won) == 1
    assert {(status, body["error"]) for status, body in answers if status != 200} == {(400, "invalid_grant")}
    assert not flow.is_active(won[0]["access_token"])
    assert not flow.is_active(won[0]["refresh_token"])


@pytest.mark.promise("TK-05")
def test_of_many_processes_that_use_a_refresh_token_one_wins_and_all_of_it_ends(flow):
    first = flow.redeem(flow.allow())
    answers = race(flow, {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]})
    won = [body for status, body in answers if status == 200]
    assert len(won) <= 1, "none where a thief's use is seen before the winner has its answer"
    assert {(status, body["error"]) for status, body in answers if status != 200} == {(400, "invalid_grant")}
    for token in (first["access_token"], *(body[name] for body in won for name in ("access_token", "refresh_token"))):
        assert not flow.is_active(token)


@pytest.mark.promise("SK-01")
def test_of_many_processes_that_find_a_key_too_old_one_makes_the_next(flow):
    with flow.server.service.store.writing() as unit:
        unit._connection.exec_driver_sql("UPDATE oauth_signing_keys SET active_from = active_from - 9.5 * 86400")
    code = flow.allow()
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    race(flow, form)
    assert [each.state for each in get_keys(flow.server.registry).list_all()] == ["signing", "next"]


@pytest.mark.promise("AS-13")
def test_registrations_at_the_same_time_exceeded_the_maximum(build: Build, database: str, tmp_path: Path) -> None:
    store = SQLAlchemyStore(build_engine(database))
    store.create_tables()
    store.close()
    settings = {**OPEN, "registration.max_unused": "3", "sqlalchemy.url": database}
    flow = build_flow(build, {**settings, "pepper_file": str(tmp_path / "pepper")})
    together = threading.Barrier(12)

    def send(_number: int) -> int:
        browser = TestApp(flow.server.app.app)
        together.wait(20)
        status: int = browser.post_json("/oauth/register", GOOD, status="*").status_int
        return status

    with ThreadPoolExecutor(12) as threads:
        answers = sorted(threads.map(send, range(12)))
    assert answers == [201] * 3 + [429] * 9
