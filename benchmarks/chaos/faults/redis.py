"""A Redis that counts tries, and then does not."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ..asking import ask, basic
from ..fault import Fault, Seen
from ..project import Served, Stage

__all__ = ["FAULTS"]

_TOKEN = {"grant_type": "client_credentials"}
_GUESSES = 200
_ALLOWED = 20


def _build(harm: Callable[[Any], object]) -> Callable[[Stage], Seen]:
    def run(stage: Stage) -> Seen:
        server = stage.start_redis()
        stage.prepare()
        served = stage.serve_now()
        harm(server)
        client_id = stage.given["chosen"][0]
        answers = [
            ask(served.address, "POST", "/oauth/token", _TOKEN, headers=basic((client_id, f"guess-{number}"))).status
            for number in range(_GUESSES)
        ]
        looked_at = sum(status != 429 for status in answers)
        said = sum("shared limits cache" in line for line in served.read_log().splitlines())
        return Seen(f"{looked_at} of {_GUESSES} guesses were checked, {said} lines", ok=looked_at <= _ALLOWED)

    return run


def _refuse_writes(server: Any) -> None:
    server.client.execute_command("REPLICAOF", "127.0.0.1", "1")


def _fill(server: Any) -> None:
    server.client.execute_command("CONFIG", "SET", "maxmemory", "1")


def _leave_twice(stage: Stage) -> Seen:
    server = stage.start_redis()
    stage.prepare()
    served = stage.serve_now()
    found = []
    for _ in range(_OUTAGES):
        server.kill()
        found.append(_count_lines(stage, served, "gone"))
        server.start()
        found.append(_count_lines(stage, served, "back"))
    return Seen(
        "lines at outage, return, outage, return: {}, {}, {}, {}".format(*found), ok=found == [1] * 2 * _OUTAGES
    )


def _count_lines(stage: Stage, served: Served, name: str) -> int:
    """Those about the cache, while wrong secrets come for a while."""
    before = len(served.read_log().splitlines())
    ending, number = time.monotonic() + _NOTICE_SECONDS, 0
    while time.monotonic() < ending:
        number += 1
        headers = basic((stage.given["chosen"][0], f"{name}-{number}"))
        ask(served.address, "POST", "/oauth/token", _TOKEN, headers=headers)
        time.sleep(0.3)
    lines = served.read_log().splitlines()[before:]
    return sum(any(word in line for word in ("shared limits cache", "limits.cache", "Redis")) for line in lines)


_OUTAGES = 2
_NOTICE_SECONDS = 20.0
_RIGHT = f"at most {_ALLOWED} of {_GUESSES} guesses are checked"
FAULTS = (
    Fault("redis: it is read-only", _RIGHT, _build(_refuse_writes)),
    Fault("redis: it is out of memory", _RIGHT, _build(_fill)),
    Fault("redis: it is away", _RIGHT, _build(lambda server: server.kill())),
    Fault("redis: it is away twice", "one line for each outage and each return", _leave_twice),
)
