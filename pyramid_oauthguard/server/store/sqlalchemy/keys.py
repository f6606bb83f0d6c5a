"""Signing keys."""

from __future__ import annotations

from dataclasses import asdict

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from ..records import SigningKeyRecord
from .models import signing_keys
from .rows import Rows

__all__ = ["KeyQueries"]


class KeyQueries(Rows):
    """See :class:`~pyramid_oauthguard.server.store.contract.KeyRows`."""

    def list_keys(self) -> tuple[SigningKeyRecord, ...]:
        rows = self._connection.execute(select(signing_keys).order_by(signing_keys.c.number)).mappings()
        return tuple(SigningKeyRecord(**row) for row in rows)

    def add_key(self, key: SigningKeyRecord) -> bool:
        try:
            with self._connection.begin_nested():
                self._connection.execute(insert(signing_keys).values(asdict(key)))
        except IntegrityError:
            return False
        return True
