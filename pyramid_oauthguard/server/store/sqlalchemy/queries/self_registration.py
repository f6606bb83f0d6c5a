"""Clients that registered themselves."""

from __future__ import annotations

from typing import Final

from sqlalchemy import and_, delete, exists, func, or_, select, update

from ...records import DOCUMENT, OPERATOR, REGISTRATION, Client
from ..conversion import Conversion
from ..models import client_logos, client_secrets, clients
from ..rows import Rows

__all__ = ["SelfRegistrationQueries"]


_CLIENT = Conversion(Client, clients)
#: PostgreSQL's advisory lock of this count, a number that no other program uses by chance.
_COUNT_LOCK: Final = 4_402_861_960_318_275_909
#: What a document says of its client; the other columns are the operator's.
_OF_DOCUMENT: Final = (
    "name", "public", "redirect_uris", "loopback_localhost", "grants", "scopes", "audiences", "jwks", "jwks_uri", "fresh_until",
    "expires_at",
)  # fmt: skip


class SelfRegistrationQueries(Rows):
    """See :class:`~pyramid_oauthguard.server.store.self_registration.SelfRegistrationRows`."""

    def count_unused_clients(self, now: float) -> int:
        if self._connection.dialect.name == "postgresql":  # on SQLite, a writing unit is alone
            self._connection.execute(select(func.pg_advisory_xact_lock(_COUNT_LOCK)))
        unused = and_(clients.c.expires_at > now, clients.c.registered_by == REGISTRATION)
        return self._connection.scalar(select(func.count()).select_from(clients).where(unused)) or 0

    def list_operator_names(self) -> tuple[str, ...]:
        live = and_(clients.c.registered_by == OPERATOR, clients.c.revoked_at.is_(None), clients.c.expires_at.is_(None))
        return tuple(self._connection.scalars(select(clients.c.name).where(live)))

    def save_document_client(self, client: Client) -> bool:
        row = _CLIENT.as_row(client)
        if self._add_new(clients, row):
            return True
        values = {name: row[name] for name in _OF_DOCUMENT}
        mine = and_(clients.c.client_id == client.client_id, clients.c.revoked_at.is_(None))
        described = clients.c.registered_by == DOCUMENT
        return self._connection.execute(update(clients).where(mine, described).values(values)).rowcount == 1

    def keep_client(self, client_id: str, now: float) -> bool:
        ended = or_(clients.c.revoked_at.is_not(None), clients.c.expires_at <= now)
        mine = and_(clients.c.client_id == client_id, ~ended)
        return self._connection.execute(update(clients).where(mine).values(expires_at=None)).rowcount == 1

    def prune_clients(self, before: float, limit: int) -> int:
        kept = (exists().where(each.c.client_id == clients.c.client_id) for each in (client_secrets, client_logos))
        ended = and_(clients.c.expires_at < before, clients.c.registered_by == REGISTRATION, *(~each for each in kept))
        batch = select(select(clients.c.client_id).where(ended).limit(limit).subquery().c[0])
        # The condition once more: another unit may have kept the client since the batch was read.
        return self._connection.execute(delete(clients).where(clients.c.client_id.in_(batch), ended)).rowcount
