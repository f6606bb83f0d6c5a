"""What users allowed."""

from __future__ import annotations

from sqlalchemy import and_, delete, insert, select, update

from ...records import Consent, Grant
from ..conversion import Conversion
from ..models import access_tokens, consents, device_tries, grants
from ..rows import Rows

__all__ = ["ConsentQueries"]

_CONSENT = Conversion(Consent, consents)
_GRANT = Conversion(Grant, grants)


class ConsentQueries(Rows):
    """See :class:`~pyramid_oauthguard.server.store.contract.ConsentRows`."""

    def add_consent(self, consent: Consent) -> None:
        self._connection.execute(insert(consents), _CONSENT.as_row(consent))

    def list_consents(
        self, subject: str, *, client_id: str | None = None, hold: bool = False, limit: int | None = None
    ) -> tuple[Consent, ...]:
        query = (
            select(*_CONSENT.columns)
            .where(consents.c.subject == subject, consents.c.withdrawn_at.is_(None))
            .order_by(consents.c.allowed_at.desc(), consents.c.consent_id.desc())
            .limit(limit)
        )
        if client_id is not None:
            query = query.where(consents.c.client_id == client_id)
        if hold:  # SQLite has no such lock and does not need it: only one unit can write
            query = query.with_for_update(read=True)
        return tuple(map(_CONSENT.as_record, reversed(self._connection.execute(query).all())))

    def withdraw_consents(self, subject: str, client_id: str, now: float) -> bool:
        live = and_(consents.c.subject == subject, consents.c.client_id == client_id, consents.c.withdrawn_at.is_(None))
        return self._connection.execute(update(consents).where(live).values(withdrawn_at=now)).rowcount > 0

    def list_live_grant_ids(self, subject: str, client_id: str) -> tuple[str, ...]:
        live = and_(grants.c.subject == subject, grants.c.client_id == client_id, grants.c.revoked_at.is_(None))
        return tuple(self._connection.scalars(select(grants.c.grant_id).where(live)))

    def list_live_grants(self, subject: str, *, limit: int | None = None) -> tuple[Grant, ...]:
        live = and_(grants.c.subject == subject, grants.c.revoked_at.is_(None))
        query = select(*_GRANT.columns).where(live).order_by(grants.c.created_at.desc(), grants.c.grant_id).limit(limit)
        return tuple(map(_GRANT.as_record, self._connection.execute(query)))

    def forget_user(self, subject: str, alias: str) -> int:
        mine = (delete(table).where(table.c.subject == subject) for table in (consents, device_tries))
        # A token without a grant is of a client that acts for itself.
        tokens = and_(access_tokens.c.subject == subject, access_tokens.c.grant_id.is_not(None))
        renamed = (
            update(access_tokens).where(tokens).values(subject=alias),
            update(grants).where(grants.c.subject == subject).values(subject=alias),
        )
        return sum(self._connection.execute(each).rowcount for each in (*mine, *renamed))
