"""The audit trail: rows are added and read, and the database refuses to change them."""

from __future__ import annotations

from dataclasses import fields

from sqlalchemy import insert, select

from ...records import AuditEntry
from ..models import audit
from ..prepared import Prepared
from ..rows import Rows

__all__ = ["AuditQueries"]

_COLUMNS = [column for column in audit.c if column.name != "audit_id"]
_NAMES = tuple(field.name for field in fields(AuditEntry))
_ADD = Prepared(insert(audit).inline(), _NAMES)


class AuditQueries(Rows):
    """See :class:`~pyramid_oauthguard.server.store.contract.AuditRows`."""

    def add_audit(self, entry: AuditEntry) -> None:
        self._run(_ADD, {name: getattr(entry, name) for name in _NAMES})

    def list_audit(
        self,
        *,
        limit: int,
        since: float | None = None,
        event: str | None = None,
        client_id: str | None = None,
        subject: str | None = None,
    ) -> tuple[AuditEntry, ...]:
        query = select(*_COLUMNS).order_by(audit.c.audit_id.desc()).limit(limit)
        if since is not None:
            query = query.where(audit.c.at >= since)
        for column, wanted in ((audit.c.event, event), (audit.c.client_id, client_id), (audit.c.subject, subject)):
            if wanted is not None:
                query = query.where(column == wanted)
        return tuple(AuditEntry(**row) for row in self._connection.execute(query).mappings())
