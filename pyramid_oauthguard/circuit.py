"""A circuit breaker: while a service does not answer, only one thread at a time tries it."""

from __future__ import annotations

import logging
import threading
import time
from typing import Final

from . import processes
from .errors import CoolingError
from .outages import Outages
from .telemetry.counting import note

__all__ = ["Circuit"]

_THRESHOLD: Final = 3


class Circuit:
    """Closed while calls succeed. After three failures in a row calls are refused at once; after ``pause`` seconds
    one caller at a time probes, and its success closes the circuit.

    :param threshold: failures in a row after which the circuit opens.
    :param name: what is asked, for the log and the errors.
    :param label: under which changes are counted; empty counts nothing.
    :param outages: where it is logged that the circuit opens and closes; None logs nothing.
    :ivar failures: how many calls in a row failed. While it is 0, :meth:`check` and :meth:`succeed` do nothing.
    """

    def __init__(
        self,
        pause: float,
        *,
        threshold: int = _THRESHOLD,
        name: str = "it",
        label: str = "",
        outages: Outages | None = None,
    ) -> None:
        self._name = name
        self._label = label
        self._outages = outages
        self._pause = pause
        self._threshold = threshold
        self._renew_lock()
        self.failures = 0
        self._why = ""
        self._retry_at = 0.0
        processes.register(self, Circuit._renew_lock)

    def check(self) -> None:
        """Let the caller call the service. :raises CoolingError: the service was down a moment ago."""
        if self.failures < self._threshold:
            return
        with self._lock:
            now = time.monotonic()
            if self.failures >= self._threshold and now < self._retry_at:
                raise CoolingError("circuit_open", self._describe(), wait=self._retry_at - now)
            self._retry_at = now + self._pause  # this caller tries; the others wait for its result

    def succeed(self) -> None:
        """Note that the service answered; an error response counts as an answer."""
        if self.failures >= self._threshold:
            self._count("closed")
            if self._outages is not None:
                self._outages.ended(self._cause, f"{self._name} answers again")
        self.failures = 0

    def fail(self, why: str = "") -> None:
        """Note that the service did not answer. ``why`` is part of the error of callers that are refused."""
        with self._lock:
            self.failures += 1
            failures = self.failures
            self._why = why
            self._retry_at = time.monotonic() + self._pause
        if failures >= self._threshold:
            self._count("opened" if failures == self._threshold else "failed_again")
        if failures >= self._threshold and self._outages is not None:
            text = f"{self._name} does not answer: it is asked once in {self._pause:g} s until it does"
            self._outages.report(self._cause, text, level=logging.WARNING)

    def _count(self, change: str) -> None:
        if self._label:
            note("circuits", self._label, change)

    @property
    def _cause(self) -> str:
        return f"the circuit of {self._name}"

    def _describe(self) -> str:
        calls = "call" if self.failures == 1 else f"{self.failures} calls"
        text = f"{self._name} did not answer the last {calls} and is not asked for a moment"
        return f"{text} ({self._why})" if self._why else text

    def _renew_lock(self) -> None:
        self._lock = threading.Lock()
