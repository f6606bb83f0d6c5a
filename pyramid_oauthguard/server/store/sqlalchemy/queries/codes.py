"""Authorization codes."""

from __future__ import annotations

from sqlalchemy import bindparam, insert, select, update

from ...records import CodeRecord
from ..conversion import Conversion
from ..models import clients, codes, grants
from ..prepared import Prepared
from ..rows import Rows, build_revoked

__all__ = ["CodeQueries"]

_CODE = Conversion(
    CodeRecord,
    codes,
    client_id=grants.c.client_id,
    revoked=build_revoked(clients.c.revoked_at, grants.c.revoked_at),
)
_ADD = insert(codes)
_FIND = Prepared(
    select(*_CODE.columns)
    .select_from(codes.join(grants).join(clients, grants.c.client_id == clients.c.client_id))
    .where(codes.c.hash == bindparam("wanted"))
)
_USE = Prepared(
    update(codes).where(codes.c.hash == bindparam("wanted"), codes.c.used_at.is_(None)).values(used_at=bindparam("now"))
)


class CodeQueries(Rows):
    """See :class:`~pyramid_oauthguard.server.store.contract.CodeRows`."""

    def add_code(self, code: CodeRecord) -> None:
        self._connection.execute(_ADD, _CODE.as_row(code))

    def find_code(self, hashed: bytes) -> CodeRecord | None:
        return self._fetch_record(_FIND, _CODE, hashed)

    def use_code(self, hashed: bytes, now: float) -> bool:
        return self._run(_USE, {"wanted": hashed, "now": now}) == 1
