"""The life of a signing key, as pure functions of its record and the time.

A key is made and published; it begins to sign only when all caches of the key set contain it (``active_from``). It is
retired when the next one signs, and stays published until its last token has expired (``expires_at``). A revoked key is
neither used nor published any more.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ..store.records import SigningKeyRecord

__all__ = ["describe_state", "find_signing", "find_start", "find_usable", "is_published"]

NEXT: Final = "next"
SIGNING: Final = "signing"
REPLACED: Final = "replaced"
EXPIRED: Final = "expired"
REVOKED: Final = "revoked"


def find_usable(records: Iterable[SigningKeyRecord], now: float) -> list[SigningKeyRecord]:
    """The keys that sign or will sign, by number."""
    return [
        record
        for record in records
        if record.revoked_at is None and (record.retired_at is None or now < record.retired_at)
    ]


def find_signing(records: Iterable[SigningKeyRecord], algorithm: str, now: float) -> SigningKeyRecord | None:
    """The key to sign with: the newest active one, of this algorithm if there is one.

    If none is active, the first one: a host whose clock is behind must not make another key.
    """
    usable = find_usable(records, now)
    started = [record for record in usable if record.active_from <= now]
    wanted = [record for record in started if record.algorithm == algorithm]
    if wanted or started:
        return (wanted or started)[-1]
    return usable[0] if usable else None


def is_published(record: SigningKeyRecord, now: float) -> bool:
    """Whether a live token may be signed with it, now or later."""
    return record.revoked_at is None and (record.expires_at is None or now < record.expires_at)


def find_start(
    records: Iterable[SigningKeyRecord], algorithm: str, *, rotation: float, lead: float, now: float
) -> float | None:
    """When the next key begins to sign, if one must be made now; None if not.

    :param rotation: age in seconds at which a key is replaced, 0 for never.
    :param lead: for how many seconds a key is published before it signs.
    """
    usable = find_usable(records, now)
    newest = max((r for r in usable if r.algorithm == algorithm), key=lambda r: r.active_from, default=None)
    if newest is None:  # of another algorithm, or no key at all
        return now + lead if usable else now
    if rotation and now >= newest.active_from + rotation - lead:
        return max(now + lead, newest.active_from + rotation)
    return None


def describe_state(record: SigningKeyRecord, signing: SigningKeyRecord | None, now: float) -> str:
    """The state of the key, as one word."""
    if record.revoked_at is not None:
        return REVOKED
    if not is_published(record, now):
        return EXPIRED
    if signing is not None and record.kid == signing.kid:
        return SIGNING
    return NEXT if now < record.active_from and record.retired_at is None else REPLACED
