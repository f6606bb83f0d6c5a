"""Signing keys, and how often they have changed."""

from __future__ import annotations

import logging
from typing import Final

from sqlalchemy import bindparam, func, select, text, update
from sqlalchemy.exc import OperationalError

from ...records import SigningKeyRecord
from ..conversion import Conversion
from ..models import KEYS_LOCK, access_tokens, signing_keys
from ..prepared import Prepared
from ..rows import Rows

__all__ = ["KEYS_VERSION", "KeyQueries"]

log = logging.getLogger("pyramid_oauthguard.server")
#: A unit that changes keys waits at most this long for the units that write tokens, which take milliseconds.
_PATIENCE_SECONDS: Final = 5

_KEY = Conversion(SigningKeyRecord, signing_keys)

KEYS_VERSION: Final = "SELECT number FROM oauth_versions WHERE name = 'signing_keys'"
_VERSION = Prepared(text(KEYS_VERSION))
_COUNT_CHANGE = text(
    "INSERT INTO oauth_versions (name, number) VALUES ('signing_keys', 1) "
    "ON CONFLICT (name) DO UPDATE SET number = oauth_versions.number + 1"
)


class KeyQueries(Rows):
    """See :class:`~pyramid_oauthguard.server.store.contract.KeyRows`."""

    _has_waited = False

    def read_keys_version(self) -> int:
        rows = self._fetch(_VERSION)
        return int(rows[0][0]) if rows else 0

    def list_keys(self, *, hold: bool = False) -> tuple[SigningKeyRecord, ...]:
        if hold:
            self._hold_keys()
        rows = self._connection.execute(select(*_KEY.columns).order_by(signing_keys.c.number))
        return tuple(map(_KEY.as_record, rows))

    def add_key(self, key: SigningKeyRecord) -> bool:
        if not self._add_new(signing_keys, _KEY.as_row(key)):
            return False
        self._connection.execute(_COUNT_CHANGE)
        return True

    def update_key(self, key: SigningKeyRecord) -> None:
        self._hold_keys()
        times = {name: getattr(key, name) for name in ("active_from", "retired_at", "expires_at")}
        # A time of revocation is never overwritten: a unit that has not seen the revocation must not undo it.
        revoked_at = func.coalesce(signing_keys.c.revoked_at, bindparam("now_revoked_at", key.revoked_at))
        self._connection.execute(
            update(signing_keys).where(signing_keys.c.kid == key.kid).values(**times, revoked_at=revoked_at)
        )
        self._connection.execute(_COUNT_CHANGE)

    def find_last_expiry(self, kid: str) -> float | None:
        last = select(func.max(access_tokens.c.expires_at)).where(access_tokens.c.key_id == kid)
        found: float | None = self._connection.scalar(last)
        return found

    def _hold_keys(self) -> None:
        """On SQLite there is nothing to do: a unit that writes has the database for itself."""
        if self._has_waited or self._connection.dialect.name != "postgresql":
            return
        self._has_waited = True
        try:
            with self._connection.begin_nested():
                self._connection.execute(text(f"SET LOCAL lock_timeout = '{_PATIENCE_SECONDS}s'"))
                self._connection.execute(select(func.pg_advisory_xact_lock(KEYS_LOCK)))
        except OperationalError as error:
            if error.connection_invalidated:
                raise
            log.warning("signing keys are changed while another transaction that writes a token does not end")
