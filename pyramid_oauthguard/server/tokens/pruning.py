"""Deleting what has expired, one batch in each transaction, so that others do not wait long for the lock."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from ..store.contract import Store, Unit

__all__ = ["KEEP_SECONDS", "prune"]

#: A used code that is sent again shortly after it expired is still recognized, and its grant is ended.
KEEP_SECONDS: Final = 86400.0
_BATCH: Final = 1000


def prune(
    store: Store, *, keep: float = KEEP_SECONDS, batch: int = _BATCH, audit_retention: float | None = None
) -> int:
    """Delete tokens, codes and device codes that expired ``keep`` seconds ago or before, and grants with none left; and the
    clients that registered themselves and ended before a user allowed them anything.

    :param audit_retention: the setting ``audit.retention``: lines of the audit trail that are older are deleted, too. None
        keeps all of them.
    :return: the number of deleted rows.
    :raises UnavailableError: the storage can't be reached; the batches before are deleted.
    """
    now = time.time()
    total = _repeat(store, lambda unit: unit.prune(now - keep, batch))
    total += _repeat(store, lambda unit: unit.prune_clients(now, batch))
    if audit_retention is not None:
        total += _repeat(store, lambda unit: unit.prune_audit(now - audit_retention, batch))
    return total


def _repeat(store: Store, delete: Callable[[Unit], int]) -> int:
    """Each kind of row by itself: looking for one kind costs time also where nothing is left of it."""
    total = 0
    while True:
        with store.writing() as unit:
            deleted = delete(unit)
        if not deleted:
            return total
        total += deleted
