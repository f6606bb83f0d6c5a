"""A store that is used only after it was found to fit, and only while it answers.

A server starts although its database can't be reached, or has the tables of a newer release: its requests are answered 503 then, and
work without another start as soon as the database does.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final

from ... import processes
from ...circuit import Circuit
from ...errors import UnavailableError
from ...telemetry.counting import is_heard, note
from .contract import NoAnswerError, Store, Unit

__all__ = ["CheckedStore"]

#: After a failure, one request in this many seconds asks the storage; the others are answered 503 at once.
_PAUSE_SECONDS: Final = 2.0


class CheckedStore:
    """See :class:`~pyramid_oauthguard.server.store.contract.Store`. Other attributes of the store are passed through.

    :param check: called with the store until it returns once; raises UnavailableError while the store must not be used.
    :param settle: called after each unit that worked.
    """

    def __init__(self, store: Store, check: Callable[[Any], None], *, settle: Callable[[], None]) -> None:
        self._store = store
        self._check = check
        self._settle = settle
        self._is_checked = False
        self._renew_lock()
        self._circuit = Circuit(_PAUSE_SECONDS, threshold=1)
        processes.register(self, CheckedStore._renew_lock)

    def check(self) -> None:
        """Find out whether the store fits, unless that is known.

        :raises UnavailableError: it does not, or cannot be asked.
        """
        if self._is_checked:
            return
        with self._checking:
            if not self._is_checked:
                self._check_circuit()
                try:
                    self._check(self._store)
                except NoAnswerError as error:
                    self._circuit.fail(error.detail)
                    raise
                self._circuit.succeed()
                self._is_checked = True

    def reading(self) -> AbstractContextManager[Unit]:
        return _Watched(self, self._store.reading())

    def writing(self) -> AbstractContextManager[Unit]:
        return _Watched(self, self._store.writing())

    def join(self, manager: Any) -> AbstractContextManager[Unit]:
        return _Watched(self, self._store.join(manager))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def _renew_lock(self) -> None:
        self._checking = threading.Lock()

    def _begin(self) -> None:
        self.check()
        self._check_circuit()

    def _check_circuit(self) -> None:
        try:
            self._circuit.check()
        except UnavailableError as error:
            raise NoAnswerError("storage", error.detail, retry_after=error.retry_after) from None


class _Watched:
    """One unit. A class, since every request opens several: a generator costs twice as much."""

    __slots__ = ("_owner", "_unit")

    def __init__(self, owner: CheckedStore, unit: AbstractContextManager[Unit]) -> None:
        self._owner = owner
        self._unit = unit

    def __enter__(self) -> Unit:
        owner = self._owner
        if not owner._is_checked or owner._circuit.failures:
            owner._begin()
        try:
            return self._enter() if is_heard() else self._unit.__enter__()
        except NoAnswerError as error:
            self._owner._circuit.fail(error.detail)
            raise

    def _enter(self) -> Unit:
        began = time.perf_counter()
        unit = self._unit.__enter__()
        note("database_wait", value=time.perf_counter() - began)
        return unit

    def __exit__(self, *raised: Any) -> bool | None:
        try:
            swallowed = self._unit.__exit__(*raised)
        except NoAnswerError as error:
            self._owner._circuit.fail(error.detail)
            raise
        if raised[0] is None:
            owner = self._owner
            if owner._circuit.failures:
                owner._circuit.succeed()
            owner._settle()
        return swallowed
