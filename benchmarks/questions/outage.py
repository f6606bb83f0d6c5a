"""An hour each of every way in which an issuer fails, rotates and withdraws keys: how many decisions are wrong?

The clock is frozen and set forward ten seconds at a time; the issuer is a real one on loopback. Right is: what the issuer's keys
say, 503 where only an issuer that is down could tell, and for a key withdrawn either answer until the key set's five minutes are over.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import time_machine

from pyramid_oauthguard.testing import MemoryIssuer
from tests.issuers import HTTPIssuer

from ..harness.guarded import build_guarded
from ..harness.measure import Options
from ..harness.report import Row, Table
from ..harness.wsgi import WSGIApplication, find_status

__all__ = ["answer"]

_BEGINNING = 1_800_000_000
_HOUR, _STEP = 3_600, 10
_LIFETIME, _COOLDOWN = 300, 30
_FAULTS = (
    "reset",
    "hang",
    "slow",
    "drip",
    "garbage",
    "empty",
    "list",
    "broken",
    "too many",
    "huge",
    "nested",
    "redirect",
    "other issuer",
)
_SETTINGS = {
    "oauthguard.cache.jwks.expiration_time": str(_LIFETIME),
    "oauthguard.cache.metadata.expiration_time": str(_LIFETIME),
    "oauthguard.keys.cooldown": str(_COOLDOWN),
    "oauthguard.http.timeout": "0.2",  # real seconds
}

Say = Callable[[str, bool, int], None]


class _Hour:
    """A guarded application, its issuer, and what was decided."""

    def __init__(self, mode: str) -> None:
        self.server = HTTPIssuer(algorithm="ES256")
        self.server.delay = 0.05
        self.issuer: MemoryIssuer = self.server.issuer
        settings = {**self.server.settings, **_SETTINGS}
        self.application: WSGIApplication = build_guarded(settings, token_check=mode, permission="read")
        self.decided: Counter[str] = Counter()
        self.lasting = self.mint(exp=_BEGINNING + 2 * _HOUR)

    def mint(self, **claims: Any) -> str:
        return self.issuer.mint(scope="customer_api", **claims)

    def ask(self, token: str, *right: int) -> None:
        """Count the decision about ``token``, which any of ``right`` would be."""
        status = find_status(self.application, token)
        self.decided["all"] += 1
        if status not in right:
            wrong = "bad accepted" if status == 200 else "good refused" if 200 in right else "not as promised"
            self.decided[wrong] += 1
            self.decided[f"{wrong}: {status} for one of {right}"] += 1

    def ask_bad(self) -> None:
        self.ask(self.issuer.mint_expired(scope="customer_api"), 401, 503)
        self.ask(self.issuer.mint_foreign(scope="customer_api"), 401, 503)
        self.ask(self.issuer.mint_tampered(scope="customer_api"), 401, 503)
        self.ask(self.mint(aud="https://another.test"), 401, 503)
        self.ask(self.issuer.mint(scope="customer_api", header={"kid": "unknown"}), 401, 503)
        self.ask(self.issuer.mint(scope="customer_api", header={"alg": "none"}), 401, 503)


def answer(options: Options) -> Table:
    logging.getLogger("pyramid_oauthguard").addHandler(logging.NullHandler())
    logging.getLogger("pyramid_oauthguard").propagate = False
    faults = _FAULTS[::4] if options.quick else _FAULTS
    rows, total = [], Counter[str]()
    for name, decided in _live_through(faults):
        total += decided
        wrong = sum(
            count for kind, count in decided.items() if kind in ("bad accepted", "good refused", "not as promised")
        )
        note = "; ".join(f"{kind} ({count})" for kind, count in decided.items() if ":" in kind)
        rows.append(Row(name, wrong, "wrong", at_most=0, note=f"of {decided['all']:,} decisions {note}".strip()))
    return Table("An hour of the clock each: wrong decisions, good tokens refused and bad ones accepted", rows)


def _live_through(faults: tuple[str, ...]) -> Iterator[tuple[str, Counter[str]]]:
    for fault in faults:
        yield f"JWKS and metadata: {fault}", _run("local", lambda hour, second, fault=fault: _fail(hour, second, fault))
        yield (
            f"introspection: {fault}",
            _run("remote", lambda hour, second, fault=fault: _fail_remote(hour, second, fault)),
        )
    yield "rotation, announced", _run("local", _rotate)
    yield "rotation, at once", _run("local", _rotate_at_once)
    yield "a key withdrawn", _run("local", _withdraw)
    yield "a key withdrawn during an outage", _run("local", _withdraw_in_outage)


def _run(mode: str, step: Callable[[_Hour, int], None]) -> Counter[str]:
    second, monotonic = 0, time.monotonic

    def read_clock() -> float:
        return monotonic() + second

    with (
        time_machine.travel(_BEGINNING, tick=False) as clock,
        mock.patch.object(time, "monotonic", read_clock),  # which time_machine leaves alone
    ):
        hour = _Hour(mode)
        with hour.server:
            hour.ask(hour.lasting, 200)
            for second in range(_STEP, _HOUR + 1, _STEP):
                clock.move_to(_BEGINNING + second)
                step(hour, second)
    return hour.decided


def _fail(hour: _Hour, second: int, fault: str) -> None:
    """From the first minute to the last but one, each token new or long known."""
    if second == 60:
        # Other keys at the issuer's own address are its own; it's the metadata that tells another issuer.
        hour.server.fail(fault, "metadata", *(() if fault == "other issuer" else ("keys",)))
    elif second == _HOUR - 60:
        hour.server.heal()
        hour.issuer.rotate()  # is it asked again?
    recovering = second >= _HOUR - 60 and second < _HOUR
    hour.ask(hour.lasting, 200)
    hour.ask(hour.mint(), 200, *((401, 503) if recovering else ()))
    hour.ask_bad()


def _fail_remote(hour: _Hour, second: int, fault: str) -> None:
    if second % 600:  # six times an hour: each of these asks the issuer for real
        return
    down = 0 < second < _HOUR
    hour.server.fail(fault, "introspection") if down else hour.server.heal()
    right = (
        (503,)
        if down and fault not in ("slow", "other issuer")
        else (200,)
        if fault != "other issuer" or not down
        else (401,)
    )
    hour.ask(hour.mint(), *right)
    hour.ask_bad()


def _rotate(hour: _Hour, second: int) -> None:
    """A new key every 20 minutes, published by an issuer that lets ten minutes pass before it signs."""
    if second % 1_200 == 0:
        hour.former = hour.issuer.signing_key  # type: ignore[attr-defined]
        hour.issuer.rotate()
    former = getattr(hour, "former", None) if second % 1_200 < 600 else None
    hour.ask(hour.issuer.mint(scope="customer_api", key=former), 200)
    hour.ask(hour.lasting, 200)
    hour.ask_bad()


def _rotate_at_once(hour: _Hour, second: int) -> None:
    """A new key every 20 minutes that signs from the same second on; unknown kids use up the attempts meanwhile."""
    if second % 1_200 == 0:
        hour.issuer.rotate()
    fresh = second % 1_200 < _COOLDOWN and second >= 1_200
    hour.ask(hour.mint(), 200, *((401,) if fresh else ()))
    hour.ask(hour.lasting, 200)
    hour.ask_bad()


def _withdraw(hour: _Hour, second: int) -> None:
    if second == 600:
        hour.issuer.rotate()
        hour.issuer.withdraw(hour.issuer.jwks["keys"][0]["kid"])
    hour.ask(hour.lasting, *_judge_withdrawn(second, 600))
    if second >= 600 + _COOLDOWN or second < 600:
        hour.ask(hour.mint(), 200)
    hour.ask_bad()


def _withdraw_in_outage(hour: _Hour, second: int) -> None:
    """Nobody can know before the issuer is back, at half past."""
    if second == 600:
        hour.server.fail("reset")
        hour.issuer.rotate()
        hour.issuer.withdraw(hour.issuer.jwks["keys"][0]["kid"])
    elif second == 1_800:
        hour.server.heal()
    if second < 1_800:
        hour.ask(hour.lasting, 200)
    else:
        hour.ask(hour.lasting, *_judge_withdrawn(second, 1_800))
        if second >= 1_800 + 2 * _COOLDOWN:
            hour.ask(hour.mint(), 200)
    hour.ask_bad()


def _judge_withdrawn(second: int, since: int) -> tuple[int, ...]:
    if second < since:
        return (200,)
    return (200, 401) if second < since + _LIFETIME else (401,)
