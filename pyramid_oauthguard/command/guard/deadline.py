"""Ends a command if one of its steps does not end, such as a request to an issuer or a database."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

__all__ = ["Deadline"]

#: How long the report may take: the reader of the output may have stopped reading.
_REPORT_SECONDS: Final = 2.0


class Deadline:
    """Ends the process ``seconds`` after ``with`` began, unless the block has ended before.

    The block runs in the main thread, since applications set handlers of signals when they start; nothing can interrupt a
    call that waits there. Not bounded: a call that waits in C and keeps other threads from running.

    :ivar step: what is done now, for ``report``.
    :param report: called with the step, in another thread.
    :param status: the exit status.
    """

    def __init__(self, seconds: float, report: Callable[[str], None], *, status: int) -> None:
        self.step = ""
        self._seconds = seconds
        self._report = report
        self._status = status
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        threading.Thread(target=self._watch, name="oauthguard-deadline", daemon=True).start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._ended.set()

    def _watch(self) -> None:
        if self._ended.wait(self._seconds):
            return
        reporter = threading.Thread(target=self._report, args=(self.step,), daemon=True)
        reporter.start()
        reporter.join(_REPORT_SECONDS)
        os._exit(self._status)  # the main thread can't be ended in any other way
