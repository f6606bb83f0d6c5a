"""The audit trail: rows are added and read, and the database refuses to change them."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Select, func, insert, select

from ...records import AuditEntry, AuditPage
from ..conversion import Conversion
from ..models import audit
from ..prepared import Prepared
from ..rows import Rows

__all__ = ["AuditQueries"]

_ENTRY = Conversion(AuditEntry, audit)
_NUMBER: Final = audit.c.audit_id
_ADD = Prepared(insert(audit).inline(), _ENTRY.names)


class AuditQueries(Rows):
    """See :class:`~pyramid_oauthguard.server.store.contract.AuditRows`."""

    def add_audit(self, entry: AuditEntry) -> None:
        self._run(_ADD, _ENTRY.as_row(entry))

    def list_audit(
        self,
        *,
        limit: int,
        since: float | None = None,
        event: str | None = None,
        client_id: str | None = None,
        subject: str | None = None,
    ) -> tuple[AuditEntry, ...]:
        query = _find(since=since, event=event, client_id=client_id, subject=subject).limit(limit)
        return tuple(_ENTRY.as_record(row[1:]) for row in self._connection.execute(query))

    def search_audit(
        self, *, limit: int, depth: int, before: int | None = None, since: float | None = None, **wanted: str | None
    ) -> AuditPage:
        end = (self._connection.scalar(select(func.max(_NUMBER))) or 0) + 1
        top = end if before is None else min(before, end)
        floor = top - depth
        query = _find(since=since, **wanted).where(top > _NUMBER, floor <= _NUMBER).limit(limit)
        rows = self._connection.execute(query).all()
        if rows and len(rows) == limit:
            floor = rows[-1][0]
        return AuditPage(tuple(_ENTRY.as_record(row[1:]) for row in rows), self._find_older(floor, since))

    def _find_older(self, floor: int, since: float | None) -> int | None:
        following = select(audit.c.at).where(floor > _NUMBER).order_by(_NUMBER.desc()).limit(1)
        at = self._connection.scalar(following)
        return None if at is None or (since is not None and at < since) else floor


def _find(*, since: float | None, **wanted: str | None) -> Select[Any]:
    """The newest lines that match, each with its number before the columns of the record."""
    query = select(_NUMBER, *_ENTRY.columns).order_by(_NUMBER.desc())
    if since is not None:
        query = query.where(audit.c.at >= since)
    for name, value in wanted.items():
        if value is not None:
            query = query.where(audit.c[name] == value)
    return query
