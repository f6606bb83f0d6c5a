"""Refresh tokens."""

from __future__ import annotations

from sqlalchemy import bindparam, insert, or_, select, update

from ...records import RefreshTokenRecord
from ..conversion import Conversion
from ..models import clients, grants, refresh_tokens
from ..prepared import Prepared
from ..rows import Rows, build_revoked

__all__ = ["RefreshQueries"]

_TOKEN = Conversion(
    RefreshTokenRecord,
    refresh_tokens,
    client_id=grants.c.client_id,
    subject=grants.c.subject,
    revoked=build_revoked(refresh_tokens.c.revoked_at, clients.c.revoked_at, grants.c.revoked_at),
)
# Built once, as in tokens.
_FIND = Prepared(
    select(*_TOKEN.columns)
    .select_from(
        refresh_tokens.join(grants, refresh_tokens.c.grant_id == grants.c.grant_id).join(
            clients, grants.c.client_id == clients.c.client_id
        )
    )
    .where(refresh_tokens.c.hash == bindparam("wanted"))
)
_ADD = Prepared(insert(refresh_tokens), _TOKEN.names)
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
        self._run(_ADD, _TOKEN.as_row(token))

    def find_refresh_token(self, hashed: bytes) -> RefreshTokenRecord | None:
        return self._fetch_record(_FIND, _TOKEN, hashed)

    def use_refresh_token(self, hashed: bytes, successor_id: str, now: float) -> bool:
        # SQLite ends a transaction in this process. Elsewhere a commit may still be pending when its request has ended.
        used_at = now if self._connection.dialect.name == "sqlite" else None
        return self._run(_USE, {"wanted": hashed, "successor": successor_id, "now": used_at}) == 1

    def date_refresh_use(self, hashed: bytes, now: float, *, won: bool) -> None:
        """Store the time from which the replacement of a token can be seen.

        :param won: this is the process that replaced it; others store a time only if there is none.
        """
        self._run(_DATE, {"wanted": hashed, "now": now, "after": now if won else 0.0})
