"""Refresh tokens."""

from __future__ import annotations

from sqlalchemy import bindparam, insert, or_, select, update

from ...records import RefreshTokenRecord
from ..models import clients, grants, refresh_tokens
from ..prepared import Prepared
from ..rows import Rows, as_text, as_words
from .tokens import is_revoked

__all__ = ["RefreshQueries"]

# Built once, as in tokens.
_REFRESH_TOKEN = Prepared(
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
_ADD = Prepared(
    insert(refresh_tokens),
    ("token_id", "hash", "grant_id", "scopes", "audiences", "issued_at", "expires_at"),
)
_USE = Prepared(
    update(refresh_tokens)
    .where(refresh_tokens.c.hash == bindparam("wanted"), refresh_tokens.c.successor_id.is_(None))
    .values(used_at=bindparam("now"), successor_id=bindparam("successor"))
)
_DATE = Prepared(
    update(refresh_tokens)
    .where(refresh_tokens.c.hash == bindparam("wanted"), refresh_tokens.c.successor_id.is_not(None))
    .where(or_(refresh_tokens.c.used_at.is_(None), refresh_tokens.c.used_at < bindparam("after")))
    .values(used_at=bindparam("now"))
)


class RefreshQueries(Rows):
    """See :class:`~pyramid_oauthguard.server.store.contract.RefreshRows`."""

    def add_refresh_token(self, token: RefreshTokenRecord) -> None:
        self._run(
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
        rows = self._fetch(_REFRESH_TOKEN, wanted=hashed)
        if not rows:
            return None
        token_id, found, grant_id, client_id, subject, scopes, audiences, *times, successor_id, revoked = rows[0]
        issued_at, expires_at, used_at = times
        return RefreshTokenRecord(
            token_id=token_id,
            hash=found,
            grant_id=grant_id,
            client_id=client_id,
            subject=subject,
            scopes=as_words(scopes),
            audiences=as_words(audiences),
            issued_at=issued_at,
            expires_at=expires_at,
            used_at=used_at,
            successor_id=successor_id,
            revoked=bool(revoked),
        )

    def use_refresh_token(self, hashed: bytes, successor_id: str, now: float) -> bool:
        # A transaction of SQLite ends in this process. Elsewhere, a commit may still wait when nobody waits for it any more.
        used_at = now if self._connection.dialect.name == "sqlite" else None
        return self._run(_USE, {"wanted": hashed, "successor": successor_id, "now": used_at}) == 1

    def date_refresh_use(self, hashed: bytes, now: float, *, won: bool) -> None:
        """Note since when the replacement of a token can be seen.

        :param won: this is the process that replaced it; others only note it where nothing was noted.
        """
        self._run(_DATE, {"wanted": hashed, "now": now, "after": now if won else 0.0})
