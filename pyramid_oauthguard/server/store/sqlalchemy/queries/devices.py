"""Devices that wait for a user."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, insert, select, update
from sqlalchemy.exc import IntegrityError

from ...records import DeviceRecord
from ..models import clients, device_codes, device_tries, grants
from ..rows import Rows, as_text, as_words
from .tokens import is_revoked

__all__ = ["DeviceQueries"]

_DEVICE = select(device_codes, is_revoked(clients.c.revoked_at, grants.c.revoked_at)).select_from(
    device_codes.join(clients, device_codes.c.client_id == clients.c.client_id).outerjoin(
        grants, device_codes.c.grant_id == grants.c.grant_id
    )
)


class DeviceQueries(Rows):
    """See :class:`~pyramid_oauthguard.server.store.contract.DeviceRows`."""

    def add_device(self, device: DeviceRecord) -> bool:
        row = {
            "device_hash": device.device_hash,
            "user_hash": device.user_hash,
            "client_id": device.client_id,
            "scopes": as_text(device.scopes),
            "audiences": as_text(device.audiences),
            "status": device.status,
            "interval": device.interval,
            "created_at": device.created_at,
            "expires_at": device.expires_at,
        }
        try:
            with self._connection.begin_nested():
                self._connection.execute(insert(device_codes).values(row))
        except IntegrityError:
            return False
        return True

    def find_device(self, hashed: bytes) -> DeviceRecord | None:
        return self._find_device(device_codes.c.device_hash == hashed)

    def find_device_of_user(self, hashed: bytes) -> DeviceRecord | None:
        return self._find_device(device_codes.c.user_hash == hashed)

    def _find_device(self, which: ColumnElement[bool]) -> DeviceRecord | None:
        row = self._connection.execute(_DEVICE.where(which)).mappings().first()
        if row is None:
            return None
        lists = {"scopes": as_words(row["scopes"]), "audiences": as_words(row["audiences"])}
        return DeviceRecord(**{**row, **lists, "revoked": bool(row["revoked"])})

    def poll_device(self, hashed: bytes, interval: float, now: float) -> None:
        mine = device_codes.c.device_hash == hashed
        self._connection.execute(update(device_codes).where(mine).values(interval=interval, polled_at=now))

    def decide_device(self, hashed: bytes, status: str, grant_id: str | None, now: float) -> bool:
        open_ = and_(device_codes.c.status == "pending", device_codes.c.expires_at > now)
        decided = (
            update(device_codes)
            .where(device_codes.c.user_hash == hashed, open_)
            .values(status=status, grant_id=grant_id)
        )
        return self._connection.execute(decided).rowcount == 1

    def use_device(self, hashed: bytes, now: float) -> bool:
        fresh = and_(device_codes.c.status == "approved", device_codes.c.used_at.is_(None))
        used = update(device_codes).where(device_codes.c.device_hash == hashed, fresh).values(used_at=now)
        return self._connection.execute(used).rowcount == 1

    def count_device_try(self, subject: str, since: float, now: float) -> int:
        while not self._count_one_more(subject, since, now):
            pass  # another unit has just made the row
        mine = device_tries.c.subject == subject
        return self._connection.scalar(select(device_tries.c.tries).where(mine)) or 0

    def _count_one_more(self, subject: str, since: float, now: float) -> bool:
        mine, fresh = device_tries.c.subject == subject, device_tries.c.since > since
        more = update(device_tries).where(mine, fresh).values(tries=device_tries.c.tries + 1)
        anew = update(device_tries).where(mine, ~fresh).values(tries=1, since=now)
        if any(self._connection.execute(each).rowcount == 1 for each in (more, anew)):
            return True
        try:
            with self._connection.begin_nested():
                self._connection.execute(insert(device_tries).values(subject=subject, tries=1, since=now))
        except IntegrityError:
            return False
        return True

    def forget_device_try(self, subject: str) -> None:
        some = and_(device_tries.c.subject == subject, device_tries.c.tries > 0)
        self._connection.execute(update(device_tries).where(some).values(tries=device_tries.c.tries - 1))
