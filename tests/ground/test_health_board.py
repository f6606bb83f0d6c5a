"""Health is looked up at most once a period, by threads of its own, and nothing that hangs or breaks gets further."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pyramid_oauthguard import UnavailableError
from pyramid_oauthguard.health import board as module
from pyramid_oauthguard.health.board import Board, describe_report
from pyramid_oauthguard.health.probes import DEGRADED, FAILED, OK, Probe, Reading


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


class Looks:
    """A probe that counts how often it is called, and can be held."""

    def __init__(self, result: Any = None) -> None:
        self.count = 0
        self.result = result or Reading(OK)
        self.free = threading.Event()
        self.free.set()

    def __call__(self) -> Reading:
        self.count += 1
        assert self.free.wait(30)
        if isinstance(self.result, BaseException):
            raise self.result
        return self.result


def build(*looks: Callable[[], Reading], **how: Any) -> Board:
    return Board(lambda: [Probe(f"probe {number}", look) for number, look in enumerate(looks)], **how)


@pytest.mark.promise("MO-01")
def test_a_flood_costs_one_look_in_five_seconds(clock: Clock) -> None:
    look = Looks()
    board = build(look)
    for second in range(20):
        clock.now = 1000.0 + second
        with ThreadPoolExecutor(8) as threads:
            words = {report.word for report in threads.map(lambda _: board.find(), range(200))}
        assert words == {"ready"}
    assert look.count == 4


@pytest.mark.promise("MO-02")
def test_a_probe_that_hangs_holds_one_thread_and_no_request(clock: Clock) -> None:
    stuck, well = Looks(), Looks()
    stuck.free.clear()
    board = build(stuck, well, deadline=0.05)
    for _ in range(5):
        report = board.find()
        assert report.word == "not ready"
        assert report.seen["probe 0"].reading == Reading(FAILED, "no_answer")
        assert report.seen["probe 0"].seconds is None
        assert report.seen["probe 1"].reading.level == OK
        clock.now += 6
    assert (stuck.count, well.count) == (1, 5)
    before = board._runs["probe 0"]
    stuck.free.set()
    assert before.done.wait(10)
    clock.now += 6
    assert board.find().word == "ready"
    assert stuck.count == 2


@pytest.mark.promise("MO-02")
def test_while_one_request_waits_the_others_get_the_last_report(clock: Clock) -> None:
    look = Looks()
    board = build(look, deadline=20)
    assert board.find().word == "ready"
    clock.now += 6
    look.free.clear()
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(board.find)
        while look.count < 2:
            pass
        assert [board.find().word for _ in range(50)] == ["ready"] * 50
        assert not waiting.done()
        look.free.set()
        assert waiting.result(10).word == "ready"


@pytest.mark.parametrize(
    ("levels", "word"),
    [
        ((OK, OK), "ready"),
        ((OK, DEGRADED), "degraded"),
        ((DEGRADED, FAILED), "not ready"),
        ((), "ready"),
    ],
)
def test_the_word_is_that_of_the_worst(levels: tuple[str, ...], word: str) -> None:
    assert build(*(Looks(Reading(level)) for level in levels)).find().word == word


@pytest.mark.promise("MO-03")
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (UnavailableError("unreachable", "GET https://login.example.com/jwks"), "unreachable"),
        (UnavailableError("https://login.example.com s3cret"), "other"),
        (UnavailableError("x" * 4000), "other"),
        (RuntimeError("password s3cret of https://login.example.com"), "error"),
    ],
)
def test_an_error_is_a_fixed_word(error: Exception, reason: str, caplog: pytest.LogCaptureFixture) -> None:
    found = build(Looks(error)).find()
    assert found.word == "not ready"
    assert found.seen["probe 0"].reading == Reading(FAILED, reason)
    assert "health: probe 0" in caplog.text


def test_a_child_of_a_fork_looks_anew() -> None:
    look = Looks()
    board = build(look)
    board.find()
    board._turn.acquire()  # as a thread of the parent may
    child = os.fork()
    if child == 0:
        os._exit(0 if board.find().word == "ready" and look.count == 2 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize(
    "result",
    [
        "ok",
        1,
        Reading("fine"),
        Reading(OK, facts={"age": float("nan")}),
        Reading(OK, facts={"age": "old"}),
        Reading(OK, 7),
    ],  # type: ignore[arg-type,dict-item]
)
def test_what_is_no_reading_held_each_request_or_counted_as_well(result: Any, caplog: pytest.LogCaptureFixture) -> None:
    board = build(Looks(result), Looks(), deadline=30.0)
    report = board.find()
    assert report.word == "not ready"
    found = describe_report(report)["checks"]
    assert (found["probe 0"]["status"], found["probe 0"]["reason"]) == ("failed", "error")
    assert found["probe 1"]["status"] == "ok"
    assert "health: probe 0: TypeError" in caplog.text
