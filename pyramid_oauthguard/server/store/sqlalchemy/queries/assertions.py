"""Client assertions that were accepted."""

from __future__ import annotations

from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from ..models import assertions
from ..rows import Rows

__all__ = ["AssertionQueries"]


class AssertionQueries(Rows):
    """See :class:`~pyramid_oauthguard.server.store.contract.AssertionRows`."""

    def add_assertion(self, hashed: bytes, expires_at: float) -> bool:
        try:
            with self._connection.begin_nested():
                self._connection.execute(insert(assertions).values(hash=hashed, expires_at=expires_at))
        except IntegrityError:
            return False
        return True
