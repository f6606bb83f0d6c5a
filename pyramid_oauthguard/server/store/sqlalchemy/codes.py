"""Authorization codes."""

from __future__ import annotations

from sqlalchemy import and_, bindparam, insert, select, update

from ..records import CodeRecord
from .models import clients, codes, grants
from .rows import Rows

__all__ = ["CodeQueries"]

_ADD = insert(codes)
_ENDS = grants.c.revoked_at.label("grant_end"), clients.c.revoked_at.label("client_end")
_CODE = (
    select(codes, grants.c.client_id, *_ENDS)
    .select_from(codes.join(grants).join(clients, grants.c.client_id == clients.c.client_id))
    .where(codes.c.hash == bindparam("wanted"))
)


class CodeQueries(Rows):
    """See :class:`~pyramid_oauthguard.server.store.contract.CodeRows`."""

    def add_code(self, code: CodeRecord) -> None:
        self._connection.execute(
            _ADD,
            {
                "hash": code.hash,
                "grant_id": code.grant_id,
                "redirect_uri": code.redirect_uri,
                "code_challenge": code.code_challenge,
                "created_at": code.created_at,
                "expires_at": code.expires_at,
            },
        )

    def find_code(self, hashed: bytes) -> CodeRecord | None:
        row = self._connection.execute(_CODE, {"wanted": hashed}).mappings().first()
        if row is None:
            return None
        values = {name: row[name] for name in (*codes.c.keys(), "client_id")}
        return CodeRecord(**values, revoked=row["grant_end"] is not None or row["client_end"] is not None)

    def use_code(self, hashed: bytes, now: float) -> bool:
        fresh = and_(codes.c.hash == hashed, codes.c.used_at.is_(None))
        return self._connection.execute(update(codes).where(fresh).values(used_at=now)).rowcount == 1
