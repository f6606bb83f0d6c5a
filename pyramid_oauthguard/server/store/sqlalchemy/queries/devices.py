"""Devices that wait for a user."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, select, update

from ...records import DeviceRecord
from ..conversion import Conversion
from ..models import clients, device_codes, device_tries, grants
from ..rows import Rows, build_revoked

__all__ = ["DeviceQueries"]

_DEVICE = Conversion(DeviceRecord, device_codes, revoked=build_revoked(clients.c.revoked_at, grants.c.revoked_at))
_FIND = select(*_DEVICE.columns).select_from(
    device_codes.join(clients, device_codes.c.client_id == clients.c.client_id).outerjoin(
        grants, device_codes.c.grant_id == grants.c.grant_id
    )
)


class DeviceQueries(Rows):
    """See :class:`~pyramid_oauthguard.server.store.contract.DeviceRows`."""

    def add_device(self, device: DeviceRecord) -> bool:
        return self._add_new(device_codes, _DEVICE.as_row(device))

    def find_device(self, hashed: bytes) -> DeviceRecord | None:
        return self._fetch_device(device_codes.c.device_hash == hashed)

    def find_device_of_user(self, hashed: bytes) -> DeviceRecord | None:
        return self._fetch_device(device_codes.c.user_hash == hashed)

    def _fetch_device(self, which: ColumnElement[bool]) -> DeviceRecord | None:
        row = self._connection.execute(_FIND.where(which)).first()
        return _DEVICE.as_record(row) if row else None

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
        restarted = update(device_tries).where(mine, ~fresh).values(tries=1, since=now)
        if any(self._connection.execute(each).rowcount == 1 for each in (more, restarted)):
            return True
        return self._add_new(device_tries, {"subject": subject, "tries": 1, "since": now})

    def forget_device_try(self, subject: str) -> None:
        some = and_(device_tries.c.subject == subject, device_tries.c.tries > 0)
        self._connection.execute(update(device_tries).where(some).values(tries=device_tries.c.tries - 1))
