"""The statement with which PostgreSQL reads the version of the signing keys."""

from __future__ import annotations

from typing import Final

__all__ = ["HOLD", "KEYS_LOCK"]

#: PostgreSQL's advisory lock of the signing keys, a number that no other program uses by chance.
KEYS_LOCK: Final = -5_990_999_778_665_283_172
# The version of the signing keys. A unit that changes keys waits until the units that have called this have ended. A
# function, since it reads what was committed while it waited for the lock, which a statement of its own can't.
HOLD: Final = """
CREATE OR REPLACE FUNCTION oauth_hold_keys_version() RETURNS bigint LANGUAGE plpgsql VOLATILE AS
$$ DECLARE found bigint; BEGIN
PERFORM pg_advisory_xact_lock_shared(KEYS_LOCK);
SELECT number INTO found FROM oauth_versions WHERE name = 'signing_keys';
RETURN coalesce(found, 0); END $$
""".replace("KEYS_LOCK", str(KEYS_LOCK))
