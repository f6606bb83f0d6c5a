"""What all probes found. It is looked up at most every five seconds, for any number of callers and any duration of a probe."""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from .. import processes
from ..errors import UnavailableError
from ..interfaces import IHealthProbes
from ..outages import Outages
from .probes import DEGRADED, FAILED, OK, Probe, Reading, is_sound, name_reason

__all__ = ["PERIOD_SECONDS", "Board", "Report", "Seen", "describe_report", "find_board"]

logger = logging.getLogger("pyramid_oauthguard")

PERIOD_SECONDS: Final = 5.0
#: For so long a request waits for the probes. One that takes longer counts as failed until it ends.
_DEADLINE_SECONDS: Final = 2.0
_BOARD: Final = "_oauthguard_health"
_NO_ANSWER: Final = Reading(FAILED, "no_answer")


@dataclass(frozen=True, slots=True)
class Seen:
    """One reading, and how long it took; None where it did not end in time."""

    reading: Reading
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """The readings of all probes, by the names of the probes."""

    seen: Mapping[str, Seen]

    @property
    def word(self) -> str:
        """``ready``, ``degraded`` or ``not ready``."""
        levels = {each.reading.level for each in self.seen.values()}
        if FAILED in levels:
            return "not ready"
        return "degraded" if DEGRADED in levels else "ready"


class _Run:
    """One look of a probe, in a thread of its own."""

    def __init__(self, probe: Probe, outages: Outages) -> None:
        self._probe = probe
        self._outages = outages
        self._began = time.monotonic()
        self.done = threading.Event()
        self.seen = Seen(_NO_ANSWER, None)

    def start(self) -> None:
        try:
            threading.Thread(target=self._work, name="oauthguard-health", daemon=True).start()
        except RuntimeError:  # no thread can be started
            self._end(Reading(FAILED, "no_thread"))

    def _work(self) -> None:
        try:
            reading = self._probe.look()
            if not is_sound(reading):
                raise TypeError("a probe returns a Reading, with a level of these and facts that are numbers")
        except UnavailableError as error:
            reading = Reading(FAILED, name_reason(error.reason))
            self._log(str(error))
        except Exception as error:  # noqa: BLE001  # a store or a probe of the application's own may raise anything
            reading = Reading(FAILED, "error")
            self._log(type(error).__name__)
        self._end(reading)

    def _log(self, text: str) -> None:
        """The log may say what the answer may not: addresses of other parties."""
        name = self._probe.name
        self._outages.report(f"health: {name}", f"health: {name}: {text}", level=logging.WARNING)

    def _end(self, reading: Reading) -> None:
        if reading.level == OK:
            self._outages.ended(f"health: {self._probe.name}")
        self.seen = Seen(reading, time.monotonic() - self._began)
        self.done.set()


class Board:
    """The readings of one application.

    :param list_probes: called once, at the first use.
    """

    _report: Report | None
    _again_at: float

    def __init__(
        self, list_probes: Callable[[], Iterable[Probe]], *, period: float = PERIOD_SECONDS, deadline: float = _DEADLINE_SECONDS
    ) -> None:  # fmt: skip
        self._list_probes = list_probes
        self._probes: tuple[Probe, ...] | None = None
        self._period = period
        self._deadline = deadline
        self._outages = Outages(logger)
        self._start_anew()
        processes.register(self, Board._start_anew)

    def find(self) -> Report:
        """The present report. One request in each period waits for the probes; the others get what was found before."""
        report, turn = self._report, self._turn
        if report is None:
            turn.acquire()
        elif time.monotonic() < self._again_at or not turn.acquire(blocking=False):
            return report
        try:
            if self._report is None or time.monotonic() >= self._again_at:
                self._again_at = time.monotonic() + self._period
                self._report = self._look()
            return self._report
        finally:
            turn.release()

    def _start_anew(self) -> None:
        """Also in a child of a fork: the threads that look are the parent's."""
        self._turn = threading.Lock()
        self._runs: dict[str, _Run] = {}
        self._report = None
        self._again_at = 0.0

    def _look(self) -> Report:
        if self._probes is None:
            self._probes = tuple(self._list_probes())
        end = time.monotonic() + self._deadline
        runs = {probe.name: self._start(probe) for probe in self._probes}
        for run in runs.values():
            run.done.wait(max(0.0, end - time.monotonic()))
        return Report({name: run.seen for name, run in runs.items()})

    def _start(self, probe: Probe) -> _Run:
        """A new look, or the last one where it has not ended: a probe that hangs holds one thread."""
        run = self._runs.get(probe.name)
        if run is None or run.done.is_set():
            run = self._runs[probe.name] = _Run(probe, self._outages)
            run.start()
        return run


def find_board(registry: Any) -> Board:
    """The board of an application."""
    kept = registry.__dict__
    board: Board | None = kept.get(_BOARD)
    return board if board is not None else kept.setdefault(_BOARD, Board(lambda: _list_probes(registry)))


def describe_report(report: Report) -> dict[str, Any]:
    """The report as JSON values, for those who may know the reasons."""
    return {"status": report.word, "checks": {name: _describe_one(each) for name, each in report.seen.items()}}


def _describe_one(seen: Seen) -> dict[str, Any]:
    described: dict[str, Any] = {"status": seen.reading.level}
    if seen.reading.reason:
        described["reason"] = seen.reading.reason
    if seen.seconds is not None:
        described["milliseconds"] = round(seen.seconds * 1000, 1)
    return described | {name: round(value, 1) for name, value in seen.reading.facts.items()}


def _list_probes(registry: Any) -> Iterator[Probe]:
    for name, list_probes in sorted(registry.getUtilitiesFor(IHealthProbes), key=lambda named: str(named[0])):
        try:
            yield from tuple(list_probes(registry))
        except Exception as error:  # noqa: BLE001  # one of the application may raise anything, and the others count
            yield Probe(f"probes of {name}", functools.partial(_raise, error))


def _raise(error: Exception) -> Reading:
    raise error.with_traceback(None)  # it is raised each time
