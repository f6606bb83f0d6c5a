"""Signing keys."""

from __future__ import annotations

from dataclasses import asdict

from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import IntegrityError

from ..records import SigningKeyRecord
from .models import access_tokens, signing_keys
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

    def update_key(self, key: SigningKeyRecord) -> None:
        times = {name: getattr(key, name) for name in ("active_from", "retired_at", "expires_at", "revoked_at")}
        self._connection.execute(update(signing_keys).where(signing_keys.c.kid == key.kid).values(times))

    def find_last_expiry(self, kid: str) -> float | None:
        last = select(func.max(access_tokens.c.expires_at)).where(access_tokens.c.key_id == kid)
        found: float | None = self._connection.scalar(last)
        return found
