"""Writes that stall while clients refresh their tokens: no user may be signed out."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Final

from ..asking import ask, basic
from ..fault import Fault, Seen
from ..project import Served, Stage

__all__ = ["FAULTS"]

_USERS: Final = 8
_FREEZES: Final = 3
_LOCK_SECONDS: Final = 12
_PATIENCE_SECONDS: Final = 5  # of a client
_PATIENT: Final = "-c%20lock_timeout=60000%20-c%20statement_timeout=60000"


def _refresh_until_answered(stage: Stage, served: Served, token: str, ending: float) -> str:
    """As a client does: again after no answer, or 503, until it is told something."""
    form = {"grant_type": "refresh_token", "refresh_token": token}
    headers = basic(tuple(stage.given["web"]))
    while time.monotonic() < ending:
        answer = ask(served.address, "POST", "/oauth/token", form, headers=headers, limit=_PATIENCE_SECONDS)
        if answer.status not in {0, 503}:
            return str(answer.body.get("refresh_token") or answer.body.get("error"))
        time.sleep(0.5)
    return "no answer"


def _stall(stage: Stage, **query: str) -> Seen:
    cluster = stage.start_postgresql(**query)
    stage.prepare(_USERS)
    served = stage.serve_now(threads=32)
    ending, found = time.monotonic() + _LOCK_SECONDS + 25, [""] * _USERS

    def refresh(number: int) -> None:
        found[number] = _refresh_until_answered(stage, served, stage.given["tokens"][number], ending)

    with cluster.connect() as other:
        other.exec_driver_sql("BEGIN")
        other.exec_driver_sql("LOCK TABLE oauth_refresh_tokens IN SHARE MODE")
        threads = [threading.Thread(target=refresh, args=(number,)) for number in range(_USERS)]
        for thread in threads:
            thread.start()
        time.sleep(_LOCK_SECONDS)
        other.exec_driver_sql("ROLLBACK")
        for thread in threads:
            thread.join()
    good = sum(_is_good(stage, served, token) for token in found)
    odd = Counter(text for text in found if not text.startswith("ogrt_"))
    return Seen(f"{_USERS - good} of {_USERS} signed out {dict(odd) or ''}".rstrip(), ok=good == _USERS)


def _freeze(stage: Stage) -> Seen:
    """Users who refresh without a pause, while PostgreSQL stops three times in the middle of it."""
    cluster = stage.start_postgresql()
    stage.set(limits="off")
    stage.prepare(_USERS)
    served = stage.serve_now(threads=32)
    going_on, found = threading.Event(), list(stage.given["tokens"])
    going_on.set()

    def refresh(number: int) -> None:
        while going_on.is_set() and found[number].startswith("ogrt_"):
            found[number] = _refresh_until_answered(stage, served, found[number], time.monotonic() + 60)

    threads = [threading.Thread(target=refresh, args=(number,)) for number in range(_USERS)]
    for thread in threads:
        thread.start()
    for _ in range(_FREEZES):
        time.sleep(4)
        cluster.freeze()
        time.sleep(_LOCK_SECONDS)
        cluster.thaw()
    time.sleep(6)
    going_on.clear()
    for thread in threads:
        thread.join()
    odd = Counter(text for text in found if not text.startswith("ogrt_"))
    return Seen(f"{odd.total()} of {_USERS} signed out {dict(odd) or ''}".rstrip(), ok=not odd)


def _is_good(stage: Stage, served: Served, token: str) -> bool:
    form = {"grant_type": "refresh_token", "refresh_token": token}
    headers = basic(tuple(stage.given["web"]))
    return ask(served.address, "POST", "/oauth/token", form, headers=headers).status == 200


def _use_again(stage: Stage) -> Seen:
    stage.set(refresh_reuse_grace="1s")
    stage.prepare(1)
    served = stage.serve_now()
    headers = basic(tuple(stage.given["web"]))
    form = {"grant_type": "refresh_token", "refresh_token": stage.given["tokens"][0]}
    first = ask(served.address, "POST", "/oauth/token", form, headers=headers).status
    time.sleep(3)
    again = ask(served.address, "POST", "/oauth/token", form, headers=headers).status
    warnings = sum(line.startswith("WARNING") for line in served.read_log().splitlines() if "refresh" in line)
    return Seen(f"{first}, then {again}, {warnings} warnings", ok=(first, again) == (200, 400) and warnings == 1)


FAULTS = (
    Fault("write: a lock of 12 s", "no user is signed out", _stall),
    Fault(
        "write: a lock of 12 s, and limits of a minute",
        "no user is signed out",
        lambda stage: _stall(stage, options=_PATIENT),
    ),
    Fault("write: PostgreSQL is frozen for 12 s, three times", "no user is signed out", _freeze),
    Fault("write: a refresh token comes again after the grace", "400, and a warning in the log", _use_again),
)
