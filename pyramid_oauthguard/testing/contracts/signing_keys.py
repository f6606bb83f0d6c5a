"""What every store must do with signing keys, so that no token is stored that a revoked key signed."""
# ruff: noqa: S101  # a suite is made of assertions; pytest rewrites them here, too

from __future__ import annotations

import dataclasses
import threading
from typing import TYPE_CHECKING, Any, Final

from .records import NOW, make_access, make_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...server.store.contract import Store, Unit

__all__ = ["SigningKeyContract"]

#: How long a unit that must wait is watched, and how long it may take once it need not wait any more.
_WATCH_SECONDS: Final = 0.3
_PATIENCE_SECONDS: Final = 20.0


class SigningKeyContract:
    """A part of :class:`~pyramid_oauthguard.testing.contracts.store.StoreContract`, which has the fixture ``store``."""

    def test_the_version_of_the_keys_changes_with_each_change_of_them(self, store: Store) -> None:
        key = make_key(1)
        versions = [_read_version(store)]
        changes: tuple[Callable[[Unit], object], ...] = (
            lambda unit: unit.add_key(key),
            lambda unit: unit.update_key(dataclasses.replace(key, active_from=NOW - 1)),
            lambda unit: unit.update_key(dataclasses.replace(key, retired_at=NOW, expires_at=NOW + 1)),
            lambda unit: unit.update_key(dataclasses.replace(key, revoked_at=NOW)),
            lambda unit: unit.add_key(make_key(2)),
        )
        for change in changes:
            with store.writing() as unit:
                change(unit)
            versions.append(_read_version(store))
        assert len(set(versions)) == len(versions)
        with store.writing() as unit:
            assert not unit.add_key(make_key(2))
            unit.list_keys(hold=True)
        assert _read_version(store) == versions[-1]

    def test_a_change_that_is_rolled_back_changes_no_version(self, store: Store) -> None:
        before = _read_version(store)
        try:
            with store.writing() as unit:
                unit.add_key(make_key(1))
                raise ZeroDivisionError
        except ZeroDivisionError:
            pass
        assert _read_version(store) == before

    def test_a_token_that_was_signed_before_the_keys_changed_is_not_stored(self, store: Store) -> None:
        key = make_key(1)
        with store.writing() as unit:
            unit.add_key(key)
        before, token = _read_version(store), _make_token(key.kid)
        with store.writing() as unit:
            unit.update_key(dataclasses.replace(key, revoked_at=NOW))
            unit.add_key(make_key(2))
        with store.writing() as unit:
            assert not unit.add_access_token(token, keys_version=before)
            assert unit.find_access_token(token.hash) is None
            again = dataclasses.replace(token, key_id=unit.list_keys()[1].kid)
            assert unit.add_access_token(again, keys_version=unit.read_keys_version())
        with store.reading() as unit:
            found = unit.find_access_token(token.hash)
        assert found == again

    def test_a_token_that_no_key_signed_is_stored_with_any_version(self, store: Store) -> None:
        token = _make_token(None)
        with store.writing() as unit:
            unit.add_key(make_key(1))
            assert unit.add_access_token(token)
        with store.reading() as unit:
            assert unit.find_access_token(token.hash) == token

    def test_a_later_update_does_not_undo_a_revocation(self, store: Store) -> None:
        """As that of a process that retires the key and read it before it was revoked."""
        key = make_key(1)
        with store.writing() as unit:
            unit.add_key(key)
            unit.update_key(dataclasses.replace(key, revoked_at=NOW))
        with store.writing() as unit:
            unit.update_key(dataclasses.replace(key, retired_at=NOW + 1, expires_at=NOW + 2))
        with store.reading() as unit:
            [found] = unit.list_keys()
        assert found == dataclasses.replace(key, retired_at=NOW + 1, expires_at=NOW + 2, revoked_at=NOW)

    def test_the_revocation_of_a_key_waits_for_the_units_that_stored_a_token_of_it(self, store: Store) -> None:
        key = make_key(1)
        with store.writing() as unit:
            unit.add_key(key)
        version, token = _read_version(store), _make_token(key.kid)
        revoker = _Work(lambda: _revoke(store, key))
        with store.writing() as unit:
            assert unit.add_access_token(token, keys_version=version)
            revoker.start()
            revoker.join(_WATCH_SECONDS)
            assert revoker.is_alive(), "the token would be committed after the revocation"
        revoker.finish()
        with store.reading() as unit:
            found = unit.find_access_token(token.hash)
        assert found is not None
        assert found.revoked

    def test_storing_a_token_while_its_key_is_revoked_waits_and_is_refused(self, store: Store) -> None:
        key = make_key(1)
        with store.writing() as unit:
            unit.add_key(key)
        version, token, stored = _read_version(store), _make_token(key.kid), []

        def issue() -> None:
            with store.writing() as unit:
                stored.append(unit.add_access_token(token, keys_version=version))
                stored.append(unit.list_keys()[0].revoked_at is None)

        issuer = _Work(issue)
        with store.writing() as unit:
            unit.list_keys(hold=True)
            issuer.start()
            issuer.join(_WATCH_SECONDS)
            assert issuer.is_alive()
            unit.update_key(dataclasses.replace(key, revoked_at=NOW))
        issuer.finish()
        assert stored == [False, False], "and it sees the keys as they are now"


class _Work(threading.Thread):
    """A thread whose error is not lost."""

    def __init__(self, work: Any) -> None:
        super().__init__(daemon=True)
        self._work = work
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001  # it is raised in the thread of the test
            self._error = error

    def finish(self) -> None:
        self.join(_PATIENCE_SECONDS)
        assert not self.is_alive()
        if self._error is not None:
            raise self._error


def _revoke(store: Store, key: Any) -> None:
    with store.writing() as unit:
        unit.list_keys(hold=True)
        unit.update_key(dataclasses.replace(key, revoked_at=NOW))


def _read_version(store: Store) -> int:
    with store.reading() as unit:
        return unit.read_keys_version()


def _make_token(key_id: str | None) -> Any:
    return dataclasses.replace(make_access(None), key_id=key_id)
