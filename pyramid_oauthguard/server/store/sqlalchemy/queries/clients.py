"""Clients and their secrets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import and_, bindparam, exists, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from ...records import Client, ClientSecret
from ..models import client_secrets, clients, consents, grants
from ..prepared import Prepared
from ..rows import Rows, as_text, as_words

__all__ = ["ClientQueries"]

# Built once: building a query costs more than running it.
_OF_CLIENT = (
    clients.c.client_id,
    clients.c.name,
    clients.c.role,
    clients.c.public,
    clients.c.redirect_uris,
    clients.c.grants,
    clients.c.scopes,
    clients.c.audiences,
    clients.c.created_at,
    clients.c.revoked_at,
    clients.c.jwks,
)
_OF_SECRET = (
    client_secrets.c.secret_id,
    client_secrets.c.hash,
    client_secrets.c.label,
    client_secrets.c.created_at,
    client_secrets.c.expires_at,
    client_secrets.c.revoked_at,
    client_secrets.c.last_used_at,
)
_WIDTH = len(_OF_CLIENT)
_CLIENT = Prepared(
    select(*_OF_CLIENT, *(column.label(f"secret_{column.name}") for column in _OF_SECRET))
    .select_from(clients.outerjoin(client_secrets))
    .where(clients.c.client_id == bindparam("wanted"))
    .order_by(client_secrets.c.created_at)
)


class ClientQueries(Rows):
    """See :class:`~pyramid_oauthguard.server.store.contract.ClientRows`."""

    def find_client(self, client_id: str) -> Client | None:
        if not client_id.isascii() or not client_id.isprintable():
            return None  # no registered id looks so, and drivers raise on NUL and lone surrogates
        rows = self._fetch(_CLIENT, wanted=client_id)
        if not rows:
            return None
        secrets = tuple(_build_secret(row[_WIDTH:]) for row in rows if row[_WIDTH] is not None)
        return _build_client(rows[0][:_WIDTH], secrets)

    def list_clients(self) -> tuple[Client, ...]:
        ids = self._connection.scalars(select(clients.c.client_id).order_by(clients.c.created_at, clients.c.client_id))
        found = [self.find_client(client_id) for client_id in ids.all()]
        return tuple(client for client in found if client)

    def list_public_redirect_uris(self) -> tuple[str, ...]:
        live = and_(clients.c.public, clients.c.revoked_at.is_(None))
        found = self._connection.scalars(select(clients.c.redirect_uris).where(live))
        return tuple(uri for uris in found for uri in as_words(uris))

    def is_subject(self, subject: str) -> bool:
        # Grants are pruned; consents stay.
        named = (exists().where(table.c.subject == subject) for table in (grants, consents))
        return bool(self._connection.scalar(select(or_(*named))))

    def add_client(self, client: Client) -> bool:
        try:
            with self._connection.begin_nested():
                self._connection.execute(insert(clients).values(_build_client_row(client)))
        except IntegrityError:
            return False
        return True

    def add_secret(self, client_id: str, secret: ClientSecret) -> None:
        self._connection.execute(
            insert(client_secrets).values(
                secret_id=secret.secret_id,
                client_id=client_id,
                hash=secret.hash,
                label=secret.label,
                created_at=secret.created_at,
                expires_at=secret.expires_at,
            )
        )

    def limit_secrets(self, client_id: str, expires_at: float) -> None:
        expiry = client_secrets.c.expires_at
        mine = and_(client_secrets.c.client_id == client_id, or_(expiry.is_(None), expiry > expires_at))
        self._connection.execute(update(client_secrets).where(mine).values(expires_at=expires_at))

    def revoke_secret(self, client_id: str, secret_id: str, now: float) -> bool:
        mine = and_(client_secrets.c.client_id == client_id, client_secrets.c.secret_id == secret_id)
        live = client_secrets.c.revoked_at.is_(None)
        done = self._connection.execute(update(client_secrets).where(mine, live).values(revoked_at=now))
        return done.rowcount == 1

    def touch_secret(self, secret_id: str, now: float) -> None:
        mine = client_secrets.c.secret_id == secret_id
        self._connection.execute(update(client_secrets).where(mine).values(last_used_at=now))

    def replace_keys(self, client_id: str, jwks: str) -> None:
        self._connection.execute(update(clients).where(clients.c.client_id == client_id).values(jwks=jwks))

    def revoke_client(self, client_id: str, now: float) -> None:
        live = and_(clients.c.client_id == client_id, clients.c.revoked_at.is_(None))
        self._connection.execute(update(clients).where(live).values(revoked_at=now))


def _build_client(row: Sequence[Any], secrets: tuple[ClientSecret, ...]) -> Client:
    client_id, name, role, public, redirect_uris, grant_types, scopes, audiences, created_at, revoked_at, jwks = row
    return Client(
        client_id=client_id,
        name=name,
        role=role,
        public=bool(public),
        redirect_uris=as_words(redirect_uris),
        grants=as_words(grant_types),
        scopes=as_words(scopes),
        audiences=as_words(audiences),
        created_at=created_at,
        revoked_at=revoked_at,
        secrets=secrets,
        jwks=jwks,
    )


def _build_client_row(client: Client) -> dict[str, Any]:
    return {
        "client_id": client.client_id,
        "name": client.name,
        "role": client.role,
        "public": client.public,
        "redirect_uris": as_text(client.redirect_uris),
        "grants": as_text(client.grants),
        "scopes": as_text(client.scopes),
        "audiences": as_text(client.audiences),
        "jwks": client.jwks,
        "created_at": client.created_at,
    }


def _build_secret(row: Sequence[Any]) -> ClientSecret:
    secret_id, hashed, label, created_at, expires_at, revoked_at, last_used_at = row
    return ClientSecret(
        secret_id=secret_id,
        hash=hashed,
        label=label,
        created_at=created_at,
        expires_at=expires_at,
        revoked_at=revoked_at,
        last_used_at=last_used_at,
    )
