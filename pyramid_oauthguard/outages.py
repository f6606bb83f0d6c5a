"""Outages in the log: a line when one begins, a line with a count for each interval, and a line when it has ended.

Without this, an outage writes a line for each request. Each process counts its own failures.
"""

from __future__ import annotations

import errno
import logging
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from . import processes

__all__ = ["Outages", "name_cause"]

_INTERVAL_SECONDS: Final = 60.0
#: A success ends an outage after this time without a failure: parts of a service may fail while others work.
_QUIET_SECONDS: Final = 5.0
#: How many outages of one cause are logged in an interval: a service may fail and recover many times a second.
_BEGINNINGS: Final = 10
#: A cause beyond these is counted with the others of its kind, so that no caller can fill the memory or the log.
_CAUSES: Final = 64
_OTHER: Final = "other causes"
_MOST_ORIGINS: Final = 16
#: The attributes in which libraries keep the code of a failure: PostgreSQL's drivers, sqlite3, ssl.
_CODES: Final = ("sqlstate", "pgcode", "sqlite_errorname", "verify_message")
_LONGEST_CODE: Final = 200
#: The word with which Redis begins an error that redis-py has no class for: ``MISCONF``.
_find_redis_code: Final = re.compile(r"(?!ERR )[A-Z]{2,20}(?= )").match


def name_cause(error: BaseException) -> str:
    """The class of an error and its code, such as ``OperationalError 57P01``. The code may be that of the error's cause.

    A code is a SQLSTATE, SQLite's name of an error, why a certificate was not accepted, the first word of an error of Redis, or
    the name of an ``errno``. The text of an error is never part of it: it may contain what a caller sent, or a password.
    """
    code = next((code for each in _list_origins(error) if (code := _find_code(each))), "")
    return f"{type(error).__name__} {code}".rstrip()


def _list_origins(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting = [error]
    while waiting and len(seen) < _MOST_ORIGINS:
        each = waiting.pop(0)
        if id(each) not in seen:
            seen.add(id(each))
            yield each
            further = (getattr(each, "orig", None), each.__cause__, each.__context__, getattr(each, "reason", None))
            waiting += [origin for origin in further if isinstance(origin, BaseException)]


def _find_code(error: Any) -> str:
    for name in _CODES:
        found = getattr(error, name, None)
        if isinstance(found, str) and found:
            return "".join(char if char.isprintable() else " " for char in found[:_LONGEST_CODE])
    if type(error).__module__.startswith("redis.") and (word := _find_redis_code(str(error))):
        return word[0]
    number = error.errno if isinstance(error, OSError) else None
    return errno.errorcode.get(number, "") if number is not None else ""


@dataclass(slots=True)
class _Outage:
    """One cause: its present outage, or its last one. Times are of the monotonic clock."""

    interval_began: float
    beginnings: int = 0  # logged in this interval
    is_open: bool = False
    is_logged: bool = False
    began: float = 0.0
    failed: float = 0.0  # the last time
    logged: float = 0.0  # the last time
    failures: int = 0
    not_logged: int = 0


class Outages:
    """Writes the failures of one service, or of several, to ``logger``. Safe for threads. A forked child starts without outages.

    :param interval_seconds: a lasting outage is logged once in this time.
    :param counted: what lines call the failures that they count.
    """

    def __init__(
        self, logger: logging.Logger, *, interval_seconds: float = _INTERVAL_SECONDS, counted: str = "failures"
    ) -> None:
        self._logger = logger
        self._counted = counted
        self._interval = interval_seconds
        self._reset()
        processes.register(self, Outages._reset)

    def report(self, cause: str, message: str, *, level: int = logging.ERROR) -> None:
        """Count one failure, and log it if it is the first of its outage, or the first since an interval ago.

        NOT checked: the texts. Neither may contain a secret, nor text of a caller that was not made printable.

        :param cause: which outage this is, such as ``"the database: 57P01"``. It is part of the line at the end.
        :param message: what is logged.
        :param level: of the line.
        """
        with self._lock:
            now = time.monotonic()
            outage = self._find(cause, now)
            count, seconds = self._count(outage, now)
        if count == 1:
            self._logger.log(level, "%s", message)
        elif count:
            self._logger.log(level, "%s (%d %s in %.0f seconds)", message, count, self._counted, seconds)

    def ended(self, cause: str, message: str = "") -> None:
        """Log that the outage with this cause has ended. Without such an outage, this does nothing and costs little.

        :param message: what is logged instead of the duration and the number of failures.
        """
        outage = self._outages.get(cause)
        if outage is not None and outage.is_open:
            self._end(cause, message)

    def settle(self, cause: str | None = None) -> None:
        """Something worked: end an outage that had no failure for five seconds. Without an outage, this costs little.

        :param cause: the one to end; None for all of them.
        """
        if not self._open:
            return
        quiet_since = time.monotonic() - _QUIET_SECONDS
        for each in tuple(self._open) if cause is None else (cause,):
            if self._failed_before(each, quiet_since):
                self._end(each)

    def _failed_before(self, cause: str, moment: float) -> bool:
        outage = self._outages.get(cause)
        return outage is not None and outage.failed <= moment

    def _count(self, outage: _Outage, now: float) -> tuple[int, float]:
        """The number of failures that a line reports, and the seconds in which they happened; 0 if no line is due."""
        if not outage.is_open:
            outage.is_open, outage.is_logged, outage.began, outage.failures = True, False, now, 0
            outage.logged, outage.not_logged = now, 0
        outage.failed = now
        outage.failures += 1
        outage.not_logged += 1
        if not self._is_due(outage, now):
            return 0, 0.0
        count, seconds = outage.not_logged, now - outage.logged
        outage.is_logged, outage.logged, outage.not_logged = True, now, 0
        return count, seconds

    def _is_due(self, outage: _Outage, now: float) -> bool:
        if outage.is_logged:
            return now >= outage.logged + self._interval
        if now >= outage.interval_began + self._interval:
            outage.interval_began, outage.beginnings = now, 0
        outage.beginnings += 1
        return outage.beginnings <= _BEGINNINGS

    def _end(self, cause: str, message: str = "") -> None:
        with self._lock:
            outage = self._outages.get(cause)
            self._open.discard(cause)
            if outage is None or not outage.is_open:
                return  # another thread was faster
            outage.is_open = False
            seconds = time.monotonic() - outage.began
        if outage.is_logged and message:
            self._logger.warning("%s", message)
        elif outage.is_logged:
            self._logger.warning("%s: works again, after %.0f seconds and %d failures", cause, seconds, outage.failures)

    def _find(self, cause: str, now: float) -> _Outage:
        if cause not in self._outages and len(self._outages) >= _CAUSES:
            self._drop_old(now)
            cause = cause if len(self._outages) < _CAUSES else _OTHER
        self._open.add(cause)
        return self._outages.setdefault(cause, _Outage(now))

    def _drop_old(self, now: float) -> None:
        """Delete the causes without a failure in the last interval, also if their end was not reported."""
        for cause in [cause for cause in self._outages if self._failed_before(cause, now - self._interval)]:
            del self._outages[cause]
            self._open.discard(cause)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._outages: dict[str, _Outage] = {}
        self._open: set[str] = set()
