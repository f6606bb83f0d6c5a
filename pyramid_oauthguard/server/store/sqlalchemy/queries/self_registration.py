"""Clients that registered themselves."""

from __future__ import annotations

from sqlalchemy import and_, delete, func, or_, select, update

from ...records import OPERATOR, REGISTRATION
from ..models import clients
from ..rows import Rows

__all__ = ["SelfRegistrationQueries"]


class SelfRegistrationQueries(Rows):
    """See :class:`~pyramid_oauthguard.server.store.self_registration.SelfRegistrationRows`."""

    def count_unused_clients(self, now: float) -> int:
        unused = and_(clients.c.expires_at > now, clients.c.registered_by == REGISTRATION)
        return self._connection.scalar(select(func.count()).select_from(clients).where(unused)) or 0

    def list_operator_names(self) -> tuple[str, ...]:
        live = and_(clients.c.registered_by == OPERATOR, clients.c.revoked_at.is_(None), clients.c.expires_at.is_(None))
        return tuple(self._connection.scalars(select(clients.c.name).where(live)))

    def keep_client(self, client_id: str, now: float) -> bool:
        ended = or_(clients.c.revoked_at.is_not(None), clients.c.expires_at <= now)
        mine = and_(clients.c.client_id == client_id, ~ended)
        return self._connection.execute(update(clients).where(mine).values(expires_at=None)).rowcount == 1

    def prune_clients(self, before: float, limit: int) -> int:
        ended = and_(clients.c.expires_at < before, clients.c.registered_by == REGISTRATION)
        batch = select(select(clients.c.client_id).where(ended).limit(limit).subquery().c[0])
        # The condition once more: another unit may have kept the client since the batch was read.
        return self._connection.execute(delete(clients).where(clients.c.client_id.in_(batch), ended)).rowcount
