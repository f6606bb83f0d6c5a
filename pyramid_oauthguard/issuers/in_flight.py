"""How many threads may wait for an issuer at once, so that a slow issuer leaves threads for everything else."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .. import processes
from ..errors import UnavailableError
from ..telemetry.counting import PLAIN, note

__all__ = ["InFlight"]

_RETRY_AFTER_SECONDS = 1
_METRIC = "remote_checks_in_flight"


class InFlight:
    """Counts the threads of this process that wait for one issuer, and refuses those beyond the limit at once.

    :param limit: how many may wait. None: half of the threads that were seen here and still run, at least one. A server
        with 16 threads then keeps 8 for requests that need no answer of the issuer.
    :param is_embedded: whether the issuer runs in this process. Without a limit of its own it is then not bounded: it answers in
        the thread that asks.
    :param label: of the issuer, under which the threads are counted.
    """

    _waiting: int

    def __init__(self, limit: int | None, *, is_embedded: Callable[[], bool], label: str = PLAIN) -> None:
        self._limit = limit
        self._label = label
        self._is_embedded = is_embedded
        self._start_anew()
        processes.register(self, InFlight._start_anew)

    @contextmanager
    def occupy(self) -> Iterator[None]:
        """Count this thread while the block runs.

        :raises UnavailableError: as many as may wait do so already.
        """
        self._enter()
        note(_METRIC, self._label)
        try:
            yield
        finally:
            note(_METRIC, self._label, value=-1.0)
            with self._lock:
                self._waiting = max(0, self._waiting - 1)  # a fork may have been noticed meanwhile

    def _start_anew(self) -> None:
        """Also in a child of a fork: the threads that wait are the parent's."""
        self._lock = threading.Lock()
        self._waiting = 0
        self._threads: weakref.WeakSet[threading.Thread] = weakref.WeakSet()

    def _enter(self) -> None:
        thread = threading.current_thread()
        with self._lock:
            self._threads.add(thread)
            if self._waiting >= self._find_limit():
                detail = f"{self._waiting} remote checks wait for the issuer (oauthguard.introspection.max_in_flight)"
                raise UnavailableError("too_many_checks", detail, retry_after=_RETRY_AFTER_SECONDS)
            self._waiting += 1

    def _find_limit(self) -> float:
        if self._limit is not None:
            return self._limit
        return float("inf") if self._is_embedded() else max(1, len(self._threads) // 2)
