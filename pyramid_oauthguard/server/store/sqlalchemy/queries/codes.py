"""Authorization codes."""

from __future__ import annotations

from sqlalchemy import bindparam, insert, select, update

from ...records import CodeRecord
from ..models import clients, codes, grants
from ..prepared import Prepared
from ..rows import Rows
from .tokens import is_revoked

__all__ = ["CodeQueries"]

_ADD = insert(codes)
_CODE = Prepared(
    select(
        codes.c.hash,
        codes.c.grant_id,
        grants.c.client_id,
        codes.c.redirect_uri,
        codes.c.code_challenge,
        codes.c.created_at,
        codes.c.expires_at,
        codes.c.used_at,
        is_revoked(clients.c.revoked_at, grants.c.revoked_at),
    )
    .select_from(codes.join(grants).join(clients, grants.c.client_id == clients.c.client_id))
    .where(codes.c.hash == bindparam("wanted"))
)
_USE = Prepared(
    update(codes).where(codes.c.hash == bindparam("wanted"), codes.c.used_at.is_(None)).values(used_at=bindparam("now"))
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
        rows = self._fetch(_CODE, wanted=hashed)
        if not rows:
            return None
        found, grant_id, client_id, redirect_uri, code_challenge, created_at, expires_at, used_at, revoked = rows[0]
        return CodeRecord(
            hash=found,
            grant_id=grant_id,
            client_id=client_id,
            redirect_uri=redirect_uri,
            code_challenge=code_challenge,
            created_at=created_at,
            expires_at=expires_at,
            used_at=used_at,
            revoked=bool(revoked),
        )

    def use_code(self, hashed: bytes, now: float) -> bool:
        return self._run(_USE, {"wanted": hashed, "now": now}) == 1
