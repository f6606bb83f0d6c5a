"""Refresh tokens."""

from __future__ import annotations

from sqlalchemy import and_, bindparam, insert, select, update

from ..records import RefreshTokenRecord
from .models import clients, grants, refresh_tokens
from .rows import Rows, as_text, as_words
from .tokens import is_revoked

__all__ = ["RefreshQueries"]

# Built once, as in tokens.
_REFRESH_TOKEN = (
    select(
        refresh_tokens.c.token_id,
        refresh_tokens.c.hash,
        refresh_tokens.c.grant_id,
        grants.c.client_id,
        grants.c.subject,
        refresh_tokens.c.scopes,
        refresh_tokens.c.audiences,
        refresh_tokens.c.issued_at,
        refresh_tokens.c.expires_at,
        refresh_tokens.c.used_at,
        refresh_tokens.c.successor_id,
        is_revoked(refresh_tokens.c.revoked_at, clients.c.revoked_at, grants.c.revoked_at),
    )
    .select_from(
        refresh_tokens.join(grants, refresh_tokens.c.grant_id == grants.c.grant_id).join(
            clients, grants.c.client_id == clients.c.client_id
        )
    )
    .where(refresh_tokens.c.hash == bindparam("wanted"))
)
_ADD = insert(refresh_tokens)


class RefreshQueries(Rows):
    """See :class:`~pyramid_oauthguard.server.store.contract.RefreshRows`."""

    def add_refresh_token(self, token: RefreshTokenRecord) -> None:
        self._connection.execute(
            _ADD,
            {
                "token_id": token.token_id,
                "hash": token.hash,
                "grant_id": token.grant_id,
                "scopes": as_text(token.scopes),
                "audiences": as_text(token.audiences),
                "issued_at": token.issued_at,
                "expires_at": token.expires_at,
            },
        )

    def find_refresh_token(self, hashed: bytes) -> RefreshTokenRecord | None:
        row = self._connection.execute(_REFRESH_TOKEN, {"wanted": hashed}).mappings().first()
        if row is None:
            return None
        return RefreshTokenRecord(
            **{
                **row,
                "scopes": as_words(row["scopes"]),
                "audiences": as_words(row["audiences"]),
                "revoked": bool(row["revoked"]),
            }
        )

    def use_refresh_token(self, hashed: bytes, successor_id: str, now: float) -> bool:
        fresh = and_(refresh_tokens.c.hash == hashed, refresh_tokens.c.used_at.is_(None))
        used = update(refresh_tokens).where(fresh).values(used_at=now, successor_id=successor_id)
        return self._connection.execute(used).rowcount == 1
