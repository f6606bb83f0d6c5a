"""What a store does with all rows of one user, and with old lines of the audit trail."""
# ruff: noqa: S101  # a suite is made of assertions; pytest rewrites them here, too

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import pytest

from .records import NOW as _NOW
from .records import make_access as _make_access

if TYPE_CHECKING:
    from ...server.store.contract import Store

__all__ = ["UsersContract"]

_DAY_SECONDS: Final = 86400.0


class UsersContract:
    """A part of :class:`.StoreContract`."""

    def test_what_is_stored_of_a_user_is_forgotten(self, store: Store) -> None:
        mine, other = _make_grant("g", "anna"), _make_grant("h", "bert")
        token, alone = _make_access("g"), _make_access(None)
        with store.writing() as unit:
            unit.hold_client("app")
            unit.hold_client("nobody")
            unit.add_consent(_make_consent("anna"))
            unit.add_grant(mine)
            unit.add_grant(other)
            unit.add_access_token(token)
            unit.add_access_token(alone)
            unit.count_device_try("anna", _NOW - 60, _NOW)
        with store.reading() as unit:
            assert unit.list_live_grants("anna") == (mine,)
        with store.writing() as unit:
            assert unit.forget_user("anna", "forgotten") == 4
            assert unit.forget_user("nobody", "forgotten") == 0
        with store.writing() as unit:
            assert (unit.list_consents("anna"), unit.list_live_grants("anna")) == ((), ())
            assert unit.list_live_grants("bert") == (other,)
            found, kept = unit.find_access_token(token.hash), unit.find_access_token(alone.hash)
            assert found is not None
            assert kept is not None
            assert (found.subject, kept.subject) == ("forgotten", "anna"), "a client that acts for itself is not a user"
            assert unit.count_device_try("anna", _NOW - 60, _NOW) == 1, "the count began again"

    def test_old_lines_of_the_audit_trail_are_pruned_and_young_ones_never(self, store: Store) -> None:
        from ...errors import UnavailableError
        from ...server.store.records import AuditEntry

        now = time.time()
        moments = [now - 40 * _DAY_SECONDS, now - 35 * _DAY_SECONDS, now - _DAY_SECONDS]
        with store.writing() as unit:
            for moment in moments:
                unit.add_audit(AuditEntry(at=moment, event="A"))
        with store.writing() as unit:
            assert unit.prune_audit(now - 30 * _DAY_SECONDS, 1) == 1
            assert unit.prune_audit(now - 30 * _DAY_SECONDS, 9) == 1
        with pytest.raises(UnavailableError), store.writing() as unit:
            unit.prune_audit(now, 9)
        with store.reading() as unit:
            assert [entry.at for entry in unit.list_audit(limit=9)] == moments[2:]


def _make_grant(grant_id: str, subject: str) -> Any:
    from ...server.store.records import Grant

    return Grant(
        grant_id=grant_id, client_id="app", subject=subject, scopes=("a",), audiences=("urn:b",), created_at=_NOW
    )


def _make_consent(subject: str) -> Any:
    from ...server.store.records import Consent

    return Consent(
        consent_id="c",
        client_id="app",
        subject=subject,
        scopes=("a",),
        audiences=(),
        wording="{}",
        allowed_at=_NOW,
    )
