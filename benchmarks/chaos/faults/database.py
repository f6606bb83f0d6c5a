"""A PostgreSQL that does not answer, or can't be reached, under a server that runs."""

from __future__ import annotations

import re
import sqlite3
import threading
import time
from contextlib import closing
from typing import Final

from ..asking import Answer, ask, basic
from ..fault import Fault, Seen
from ..project import Served, Stage

__all__ = ["FAULTS"]

_TOKEN = {"grant_type": "client_credentials"}
_LIMIT_SECONDS: Final = 5.0
_FLOOD_SECONDS: Final = 5.0


def _ask_token(stage: Stage, served: Served, limit: float = 15.0) -> Answer:
    headers = basic(tuple(stage.given["program"]))
    return ask(served.address, "POST", "/oauth/token", _TOKEN, headers=headers, limit=limit)


def _freeze(stage: Stage) -> Seen:
    cluster = stage.start_postgresql()
    stage.prepare()
    served = stage.serve_now()
    _ask_token(stage, served)
    ask(served.address, "GET", "/oauth/jwks")
    cluster.freeze()
    first = _ask_token(stage, served)
    others = {name: ask(served.address, "GET", path) for name, path in _OTHERS.items()}
    cluster.thaw()
    back = stage.wait_for(served, lambda: _ask_token(stage, served, 5).status == 200, 20)
    said = ", ".join(f"{name} {answer.status}" for name, answer in others.items())
    text = (
        f"token {first.status or 'no answer'} in {first.seconds:.1f} s, {said}; after it {'200' if back else 'no 200'}"
    )
    in_time = first.status == 503 and first.seconds <= _LIMIT_SECONDS
    return Seen(text, ok=in_time and back and {answer.status for answer in others.values()} == {200})


_OTHERS: Final = {"metadata": "/.well-known/oauth-authorization-server", "key set": "/oauth/jwks", "own view": "/mine"}


def _freeze_under_load(stage: Stage) -> Seen:
    """With as many requests for tokens as there are threads, is there one left for what needs no database?"""
    cluster = stage.start_postgresql()
    stage.prepare()
    served = stage.serve_now(threads=4)
    _ask_token(stage, served)
    cluster.freeze()
    ending = time.monotonic() + 12
    answers: list[Answer] = []

    def press() -> None:
        while time.monotonic() < ending:
            answers.append(_ask_token(stage, served))

    threads = [threading.Thread(target=press) for _ in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(6)
    own = [ask(served.address, "GET", "/mine") for _ in range(20)]
    for thread in threads:
        thread.join()
    cluster.thaw()
    slowest = max(answer.seconds for answer in own)
    good = sum(answer.status == 200 for answer in own)
    return Seen(f"{good} of 20 in {slowest:.1f} s at most", ok=good == 20 and slowest < _LIMIT_SECONDS)


def _flood(stage: Stage) -> Seen:
    cluster = stage.start_postgresql()
    stage.prepare()
    served = stage.serve_now()
    _ask_token(stage, served)
    cluster.stop()
    before = len(served.read_log().splitlines())
    ending, asked = time.monotonic() + _FLOOD_SECONDS, 0
    while time.monotonic() < ending:
        asked += _ask_token(stage, served).status == 503
    lines = served.read_log().splitlines()[before:]
    named = any(re.search(r"refused|57P0\d|No such file", line) for line in lines)
    text = f"{len(lines)} lines for {asked} answers 503, the cause is {'named' if named else 'not named'}"
    return Seen(text, ok=len(lines) <= 5 and named)


def _lock(stage: Stage) -> Seen:
    cluster = stage.start_postgresql()
    stage.prepare()
    served = stage.serve_now()
    with cluster.connect() as other:
        other.exec_driver_sql("BEGIN")
        other.exec_driver_sql("LOCK TABLE oauth_access_tokens IN EXCLUSIVE MODE")
        answer = _ask_token(stage, served)
        other.exec_driver_sql("ROLLBACK")
    text = f"token {answer.status or 'no answer'} in {answer.seconds:.1f} s"
    return Seen(text, ok=answer.status == 503 and answer.seconds <= _LIMIT_SECONDS)


def _lock_sqlite(stage: Stage) -> Seen:
    stage.prepare()
    served = stage.serve_now()
    with closing(sqlite3.connect(stage.folder / "oauth.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        answer = _ask_token(stage, served, 60)
        other.execute("ROLLBACK")
    named = "SQLITE_BUSY" in served.read_log()
    text = f"token {answer.status} in {answer.seconds:.1f} s, the cause is {'named' if named else 'not named'}"
    return Seen(text, ok=answer.status == 503 and named)


FAULTS = (
    Fault("database: PostgreSQL is frozen", "503 within 5 s; what needs no database 200; 200 after it", _freeze),
    Fault(
        "database: frozen under load, 4 threads", "the application's own view answers within 5 s", _freeze_under_load
    ),
    Fault("database: another transaction holds a lock", "503 within 5 s", _lock),
    Fault("database: 5 s of requests while it is away", "at most 5 lines in the log, with the cause", _flood),
    Fault("database: SQLite is locked", "503, and the log names SQLITE_BUSY", _lock_sqlite),
)
