"""Clients and their secrets."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any

from sqlalchemy import Select, and_, bindparam, delete, exists, insert, literal, or_, select, tuple_, update

from ...records import DOCUMENT, OPERATOR, REGISTRATION, Client, ClientSecret, Logo
from ..conversion import Conversion, as_words
from ..models import client_logos, client_secrets, clients, consents, grants
from ..prepared import Prepared
from ..rows import Rows

__all__ = ["ClientQueries"]

_CLIENT = Conversion(Client, clients)
_SECRET = Conversion(ClientSecret, client_secrets)
_LOGO = Conversion(Logo, client_logos)
_WIDTH = len(_CLIENT.columns)
# Built once: building a query costs more than running it.
_ALL = select(*_CLIENT.columns, *(column.label(f"secret_{column.name}") for column in _SECRET.columns)).select_from(
    clients.outerjoin(client_secrets)
)
_FIND = Prepared(_ALL.where(clients.c.client_id == bindparam("wanted")))
_LIST = _ALL.order_by(clients.c.created_at, clients.c.client_id)


class ClientQueries(Rows):
    """See :class:`~pyramid_oauthguard.server.store.contract.ClientRows`."""

    def find_client(self, client_id: str) -> Client | None:
        if not client_id.isascii() or not client_id.isprintable():
            return None  # no registered id looks so, and drivers raise on NUL and lone surrogates
        rows = self._fetch(_FIND, wanted=client_id)
        return _recall_client(tuple(rows)) if rows else None

    def hold_client(self, client_id: str) -> None:
        # SQLite has no such lock and does not need it: only one unit can write
        held = select(clients.c.client_id).where(clients.c.client_id == client_id).with_for_update()
        self._connection.execute(held)

    def list_clients(self, *, limit: int | None = None, after: str | None = None) -> tuple[Client, ...]:
        query, found = _LIST, dict[str, list[Any]]()
        if limit is not None or after is not None:
            query = query.where(clients.c.client_id.in_(_build_page(limit, after)))
        for row in self._connection.execute(query):
            found.setdefault(row[0], []).append(row)
        return tuple(map(_build_client, found.values()))

    def list_public_redirect_uris(self) -> tuple[str, ...]:
        by = clients.c.registered_by
        lasting = or_(by.in_((OPERATOR, DOCUMENT)), and_(by == REGISTRATION, clients.c.expires_at.is_(None)))
        live = and_(clients.c.public, clients.c.revoked_at.is_(None), lasting)
        found = set(self._connection.scalars(select(clients.c.redirect_uris).where(live)))  # many have the same
        return tuple(uri for uris in found for uri in as_words(uris))

    def is_subject(self, subject: str) -> bool:
        # Grants are pruned; consents stay.
        named = (exists().where(table.c.subject == subject) for table in (grants, consents))
        return bool(self._connection.scalar(select(or_(*named))))

    def add_client(self, client: Client) -> bool:
        return self._add_new(clients, _CLIENT.as_row(client))

    def add_secret(self, client_id: str, secret: ClientSecret) -> None:
        self._connection.execute(insert(client_secrets), {**_SECRET.as_row(secret), "client_id": client_id})

    def limit_secrets(self, client_id: str, expires_at: float) -> None:
        expiry = client_secrets.c.expires_at
        mine = and_(client_secrets.c.client_id == client_id, or_(expiry.is_(None), expiry > expires_at))
        self._connection.execute(update(client_secrets).where(mine).values(expires_at=expires_at))

    def revoke_secret(self, client_id: str, secret_id: str, now: float) -> bool:
        mine = and_(client_secrets.c.client_id == client_id, client_secrets.c.secret_id == secret_id)
        live = client_secrets.c.revoked_at.is_(None)
        done = self._connection.execute(update(client_secrets).where(mine, live).values(revoked_at=now))
        return done.rowcount == 1

    def replace_secret(self, secret_id: str, hashed: bytes) -> None:
        imported = and_(client_secrets.c.secret_id == secret_id, client_secrets.c.scheme.is_not(None))
        self._connection.execute(update(client_secrets).where(imported).values(hash=hashed, scheme=None))

    def touch_secret(self, secret_id: str, now: float) -> None:
        mine = client_secrets.c.secret_id == secret_id
        self._connection.execute(update(client_secrets).where(mine).values(last_used_at=now))

    def update_client(self, client: Client, names: Collection[str]) -> None:
        row = _CLIENT.as_row(client)
        mine = clients.c.client_id == client.client_id
        self._connection.execute(update(clients).where(mine).values({name: row[name] for name in names}))

    def set_logo(self, client_id: str, logo: Logo | None) -> None:
        self._connection.execute(delete(client_logos).where(client_logos.c.client_id == client_id))
        if logo is not None:
            self._connection.execute(insert(client_logos), {**_LOGO.as_row(logo), "client_id": client_id})
        name = None if logo is None else logo.name
        self._connection.execute(update(clients).where(clients.c.client_id == client_id).values(logo=name))

    def find_logo(self, name: str) -> Logo | None:
        live = and_(client_logos.c.client_id == clients.c.client_id, clients.c.revoked_at.is_(None))
        query = select(*_LOGO.columns).where(live, client_logos.c.name == name).limit(1)
        row = self._connection.execute(query).first()
        return None if row is None else _LOGO.as_record(row)

    def replace_keys(self, client_id: str, jwks: str) -> None:
        self._connection.execute(update(clients).where(clients.c.client_id == client_id).values(jwks=jwks))

    def revoke_client(self, client_id: str, now: float) -> None:
        live = and_(clients.c.client_id == client_id, clients.c.revoked_at.is_(None))
        self._connection.execute(update(clients).where(live).values(revoked_at=now))


def _build_page(limit: int | None, after: str | None) -> Select[Any]:
    """The ids of a page. Both columns together are an index."""
    place = tuple_(clients.c.created_at, clients.c.client_id)
    page = select(clients.c.client_id).order_by(clients.c.created_at, clients.c.client_id).limit(limit)
    if after is None:
        return page
    begin = select(clients.c.created_at).where(clients.c.client_id == after).scalar_subquery()
    return page.where(place > tuple_(begin, literal(after)))


def _build_client(rows: Sequence[Any]) -> Client:
    """The client of these rows, which differ in its secrets only. The oldest secret is the first."""
    secrets = [_SECRET.as_record(row[_WIDTH:]) for row in rows if row[_WIDTH] is not None]
    return _CLIENT.as_record(rows[0][:_WIDTH], secrets=tuple(sorted(secrets, key=attrgetter("created_at"))))


# Each request reads the rows of its client. They rarely change, and the same rows are the same client.
_recall_client = lru_cache(maxsize=1024)(_build_client)
