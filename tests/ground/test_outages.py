"""What the log says of an outage: that it began, how often it failed since, and that it has ended."""

from __future__ import annotations

import errno
import logging
import os
import sqlite3
import ssl
import subprocess
import sys
import threading

import pytest
import redis

from pyramid_oauthguard import outages as module
from pyramid_oauthguard.outages import Outages, name_cause

logger = logging.getLogger("pyramid_oauthguard.test_outages")
CAUSE = "the database: 57P01"


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def outages(clock):
    return Outages(logger)


def test_an_outage_writes_one_line_for_each_interval_with_a_count(outages, clock, caplog):
    for second in range(150):
        clock.now = 1000.0 + second
        for _ in range(100):
            outages.report(CAUSE, "the database does not answer")
    assert caplog.messages == [
        "the database does not answer",
        "the database does not answer (6000 failures in 60 seconds)",
        "the database does not answer (6000 failures in 60 seconds)",
    ]
    assert {record.levelno for record in caplog.records} == {logging.ERROR}


def test_the_end_is_logged_once_with_the_count_of_all_failures(outages, clock, caplog):
    outages.ended(CAUSE)
    for _ in range(7):
        outages.report(CAUSE, "away", level=logging.WARNING)
    clock.now += 30
    outages.ended(CAUSE)
    outages.ended(CAUSE)
    assert caplog.messages == ["away", f"{CAUSE}: works again, after 30 seconds and 7 failures"]
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


def test_the_next_outage_is_logged_at_once_although_the_interval_is_not_over(outages, clock, caplog):
    for _ in range(3):
        outages.report(CAUSE, "away")
        clock.now += 1
        outages.ended(CAUSE)
    assert caplog.messages == ["away", f"{CAUSE}: works again, after 1 seconds and 1 failures"] * 3


def test_a_service_that_fails_and_recovers_at_each_request_does_not_fill_the_log(outages, clock, caplog):
    for number in range(10_000):
        clock.now = 1000.0 + number / 200  # 50 seconds
        outages.report(CAUSE, "away")
        outages.ended(CAUSE)
    assert len(caplog.records) == 20
    clock.now += 60
    outages.report(CAUSE, "away")
    outages.ended(CAUSE)
    assert len(caplog.records) == 22, "the next interval"


def test_an_outage_whose_beginning_was_not_logged_is_logged_when_it_lasts(outages, clock, caplog):
    for _ in range(11):
        outages.report(CAUSE, "away")
        outages.ended(CAUSE)
    outages.report(CAUSE, "away")
    assert len(caplog.records) == 20
    clock.now += 60
    outages.report(CAUSE, "away")
    assert caplog.messages[20:] == ["away (2 failures in 60 seconds)"]


def test_each_cause_is_counted_alone(outages, caplog):
    for _ in range(5):
        outages.report("one", "first")
        outages.report("other", "second")
    outages.ended("one")
    assert caplog.messages == ["first", "second", "one: works again, after 0 seconds and 5 failures"]


def test_a_success_ends_what_has_not_failed_for_a_while_and_nothing_else(outages, clock, caplog):
    outages.report("reading", "reading fails")
    clock.now += 4
    outages.report("writing", "writing fails")
    outages.settle()
    clock.now += 1
    outages.settle()
    outages.settle()
    assert caplog.messages[2:] == ["reading: works again, after 5 seconds and 1 failures"]


@pytest.mark.slow
def test_causes_without_end_fill_neither_the_memory_nor_the_log(outages, clock, caplog):
    for number in range(10_000):
        outages.report(f"cause {number}", f"failure {number}")
    assert len(caplog.records) == len(outages._outages) == 65
    clock.now += 60
    outages.report("a new one", "is logged, although nobody said that the others ended")
    assert "although" in caplog.messages[-1]
    assert len(outages._outages) == len(outages._open) == 1


def test_causes_that_ended_are_dropped_where_there_are_too_many(outages, clock, caplog):
    for number in range(64):
        outages.report(f"cause {number}", "fails")
        outages.ended(f"cause {number}")
    clock.now += 60
    outages.report("a new one", "is logged")
    assert caplog.messages[-1] == "is logged"
    assert len(outages._outages) == 1


def test_threads_count_each_failure_once(outages, caplog):
    together = threading.Barrier(8)

    def fail():
        together.wait(10)
        for _ in range(1000):
            outages.report(CAUSE, "away")

    threads = [threading.Thread(target=fail) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    outages.ended(CAUSE)
    assert caplog.messages == ["away", f"{CAUSE}: works again, after 0 seconds and 8000 failures"]


def test_a_message_is_not_a_format(outages, caplog):
    outages.report("100 %s", "100 %d")
    outages.ended("100 %s")
    assert caplog.messages[0] == "100 %d"


FORKING = """
import logging, os, sys
from pyramid_oauthguard.outages import Outages, name_cause

logging.basicConfig(stream=sys.stdout, format="%(message)s")
outages = Outages(logging.getLogger("test"))
outages.report("cause", "parent")
outages._lock.acquire()  # as another thread of the parent does at the moment of the fork
child = os.fork()
if child == 0:
    outages.report("cause", "child")
    outages.report("cause", "child")
    outages.ended("cause")
    sys.stdout.flush()
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_counts_for_itself_and_waits_for_no_lock_of_its_parent():
    done = subprocess.run(
        [sys.executable, "-u", "-c", FORKING], capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "parent",
        "child",
        "cause: works again, after 0 seconds and 2 failures",
    ]


class DriverError(Exception):
    sqlstate = "57P03"


class WrappedError(Exception):
    def __init__(self, orig):
        super().__init__("SELECT secret")
        self.orig = orig


def raise_from(error, origin):
    try:
        try:
            raise origin
        except type(origin):
            raise error from None  # which leaves the context
    except type(error) as raised:
        return raised


def open_locked(tmp_path):
    one = sqlite3.connect(tmp_path / "x", isolation_level=None)
    one.execute("BEGIN EXCLUSIVE")
    other = sqlite3.connect(tmp_path / "x", timeout=0)
    try:
        other.execute("CREATE TABLE t (a)")
    except sqlite3.Error as error:
        return error
    finally:
        one.close()
        other.close()


def test_a_cause_is_named_by_the_code_that_the_library_gives(tmp_path):
    certificate = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] secret")
    certificate.verify_message = "certificate has\nexpired"
    refused = ConnectionRefusedError(errno.ECONNREFUSED, "secret")
    assert name_cause(ValueError("secret")) == "ValueError"
    assert name_cause(WrappedError(DriverError())) == "WrappedError 57P03"
    assert name_cause(open_locked(tmp_path)) == "OperationalError SQLITE_BUSY"
    assert name_cause(raise_from(KeyError("secret"), certificate)) == "KeyError certificate has expired"
    assert name_cause(raise_from(KeyError("secret"), refused)) == "KeyError ECONNREFUSED"
    assert name_cause(redis.ResponseError("MISCONF Redis cannot write secret")) == "ResponseError MISCONF"
    assert name_cause(redis.ResponseError("ERR secret")) == "ResponseError"
    assert name_cause(ValueError("SECRET WORDS")) == "ValueError"
    circle = WrappedError(None)
    circle.orig = circle.__cause__ = circle
    assert name_cause(circle) == "WrappedError"
