"""The audit trail: rows are added and read, and the database refuses to change them."""

from __future__ import annotations

from sqlalchemy import insert, select

from ...records import AuditEntry
from ..conversion import Conversion
from ..models import audit
from ..prepared import Prepared
from ..rows import Rows

__all__ = ["AuditQueries"]

_ENTRY = Conversion(AuditEntry, audit)
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
        query = select(*_ENTRY.columns).order_by(audit.c.audit_id.desc()).limit(limit)
        if since is not None:
            query = query.where(audit.c.at >= since)
        for column, wanted in ((audit.c.event, event), (audit.c.client_id, client_id), (audit.c.subject, subject)):
            if wanted is not None:
                query = query.where(column == wanted)
        return tuple(map(_ENTRY.as_record, self._connection.execute(query)))
