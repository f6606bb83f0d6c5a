"""Client assertions that were accepted."""

from __future__ import annotations

from ..models import assertions
from ..rows import Rows

__all__ = ["AssertionQueries"]


class AssertionQueries(Rows):
    """See :class:`~pyramid_oauthguard.server.store.contract.AssertionRows`."""

    def add_assertion(self, hashed: bytes, expires_at: float) -> bool:
        return self._add_new(assertions, {"hash": hashed, "expires_at": expires_at})
