"""Deleting rows that are no longer needed, a batch at a time."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Table, delete, exists, func, select

from ..models import access_tokens, assertions, audit, codes, device_codes, device_tries, grants, refresh_tokens
from ..rows import Rows

__all__ = ["UpkeepQueries"]

_EXPIRING = (access_tokens, refresh_tokens, codes, device_codes, assertions)
_TRIES_LIFE_SECONDS = 86400.0


class UpkeepQueries(Rows):
    """See :class:`~pyramid_oauthguard.server.store.contract.UpkeepRows`."""

    def prune(self, before: float, limit: int) -> int:
        pruned = sum(self._delete(table, table.c.expires_at < before, limit) for table in _EXPIRING)
        pruned += self._delete(device_tries, device_tries.c.since < before - _TRIES_LIFE_SECONDS, limit)
        used = (exists().where(table.c.grant_id == grants.c.grant_id) for table in _EXPIRING if "grant_id" in table.c)
        # A grant is stored before its code and its tokens, at times in a unit of its own: a young one is not empty yet.
        return pruned + self._delete(grants, grants.c.created_at < before, limit, *(~each for each in used))

    def prune_audit(self, before: float, limit: int) -> int:
        return self._delete(audit, audit.c.at < before, limit)

    def find_oldest_expiry(self) -> float | None:
        """When the row that expired first did so, or will; None where there is none. Pruning deletes it some time later."""
        oldest = (self._connection.execute(select(func.min(table.c.expires_at))).scalar() for table in _EXPIRING)
        return min((each for each in oldest if each is not None), default=None)

    def _delete(self, table: Table, old: ColumnElement[bool], limit: int, *more: ColumnElement[bool]) -> int:
        key: Any = next(iter(table.primary_key))
        # Once more a subquery, for a database may refuse to limit a delete by its own table.
        batch = select(select(key).where(old, *more).limit(limit).subquery().c[0])
        return self._connection.execute(delete(table).where(key.in_(batch))).rowcount
