"""The typed contract of a store. A store is registered under :class:`~pyramid_oauthguard.interfaces.IOAuthStore`.

A store opens units; what is done in one unit is one transaction. A unit is not shared between threads. Every failure of
the storage is raised as :class:`~pyramid_oauthguard.errors.UnavailableError`, from the unit's methods and
from its end. Strings given to a unit may come from a request: look-ups must answer None for any text, never fail.
Hashes are 32 bytes, unique by construction.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

from ...errors import UnavailableError
from .client_rows import ClientRows
from .records import (
    AccessTokenRecord,
    AuditEntry,
    AuditPage,
    CodeRecord,
    Consent,
    DeviceRecord,
    Grant,
    RefreshTokenRecord,
    SigningKeyRecord,
)
from .self_registration import SelfRegistrationRows

__all__ = [
    "AssertionRows",
    "AuditRows",
    "ClientRows",
    "CodeRows",
    "ConsentRows",
    "DeviceRows",
    "KeyRows",
    "NoAnswerError",
    "RefreshRows",
    "Store",
    "TokenRows",
    "Unit",
    "UpkeepRows",
]


class NoAnswerError(UnavailableError):
    """The storage did not answer within the time limit. The next request would have to wait as long."""


class CodeRows(Protocol):
    """Authorization codes."""

    def add_code(self, code: CodeRecord) -> None:
        """Store a code; its grant is stored already."""

    def find_code(self, hashed: bytes) -> CodeRecord | None:
        """The code, also a used or expired one; it is ``revoked`` if its grant or its client is."""

    def use_code(self, hashed: bytes, now: float) -> bool:
        """Take the code; False if it was taken before. If several units do this at the same time, only one gets
        True."""


class ConsentRows(Protocol):
    """What users allowed."""

    def add_consent(self, consent: Consent) -> None:
        """Store an approval."""

    def list_consents(
        self, subject: str, *, client_id: str | None = None, hold: bool = False, limit: int | None = None
    ) -> tuple[Consent, ...]:
        """What this user allowed (that client) and has not withdrawn, the oldest first.

        :param hold: a unit that withdraws one of them waits until this unit ends.
        :param limit: the maximum number; the newest are returned.
        """

    def withdraw_consents(self, subject: str, client_id: str, now: float) -> bool:
        """End what this user allowed that client; False when there was nothing."""

    def list_live_grant_ids(self, subject: str, client_id: str) -> tuple[str, ...]:
        """The grants of this user to that client that are not revoked."""

    def list_live_grants(self, subject: str, *, limit: int | None = None) -> tuple[Grant, ...]:
        """The grants of this user that are not revoked, the newest first.

        :param limit: the maximum number.
        """

    def forget_user(self, subject: str, alias: str) -> int:
        """Delete the consents and the counts of this user, and let ``alias`` be the user of their grants and tokens.

        The audit trail stays as it is. Returns how many rows were deleted or changed.
        """


class TokenRows(Protocol):
    """Grants and access tokens."""

    def add_grant(self, grant: Grant) -> None:
        """Store a grant."""

    def find_grant(self, grant_id: str) -> Grant | None:
        """The grant, revoked or not."""

    def revoke_grant(self, grant_id: str, now: float) -> bool:
        """End a grant and every token of it; False when it had ended before or doesn't exist."""

    def add_access_token(self, token: AccessTokenRecord, *, keys_version: int | None = None) -> bool:
        """Store an access token; False, and nothing stored, when the signing keys are no longer of ``keys_version``.

        After False, :meth:`KeyRows.read_keys_version` and :meth:`KeyRows.list_keys` in the same unit read the present
        keys.
        After True, a unit that holds the keys (:meth:`KeyRows.list_keys`) waits until this unit has ended. So a token that
        a revoked key signed is never committed after the revocation.

        :param keys_version: of the keys that signed the token; None for a token that no key signed.
        """

    def find_access_token(self, hashed: bytes) -> AccessTokenRecord | None:
        """The token, with ``auth_time`` and ``acr`` of its grant; ``revoked`` when it, its grant, its client or the key that
        signed it is. Must stay one indexed query: it is asked often."""

    def revoke_access_token(self, token_id: str, now: float) -> bool:
        """End one access token; False when it had ended before or doesn't exist."""

    def list_live_token_ids(
        self, *, now: float, grant_id: str | None = None, client_id: str | None = None
    ) -> tuple[str, ...]:
        """The ``jti`` of the access tokens of a grant, or of a client, that are neither expired nor revoked."""


class RefreshRows(Protocol):
    """Refresh tokens, each of which is replaced when it is used."""

    def add_refresh_token(self, token: RefreshTokenRecord) -> None:
        """Store a refresh token."""

    def find_refresh_token(self, hashed: bytes) -> RefreshTokenRecord | None:
        """The token, also a replaced one; it is ``revoked`` if it, its grant or its client is."""

    def use_refresh_token(self, hashed: bytes, successor_id: str, now: float) -> bool:
        """Mark the token as replaced by another, which is stored separately; False if it was replaced before.

        If several units do this at the same time, only one gets True.

        The commit of this unit may take long, so ``now`` is not when others can see the replacement. A store notes in
        ``used_at`` a moment after the commit, or leaves it None if it cannot.
        """


class DeviceRows(Protocol):
    """Devices that wait for a user, and how often users typed a wrong code."""

    def add_device(self, device: DeviceRecord) -> bool:
        """Store a device; False, and nothing stored, when one of its codes is taken."""

    def find_device(self, hashed: bytes) -> DeviceRecord | None:
        """The device with this device code, also a used or expired one; it is ``revoked`` if its grant or its client
        is."""

    def find_device_of_user(self, hashed: bytes) -> DeviceRecord | None:
        """The device with this user code; see :meth:`find_device`."""

    def poll_device(self, hashed: bytes, interval: float, now: float) -> None:
        """Store that the device polled, and how long it has to wait from now on."""

    def decide_device(self, hashed: bytes, status: str, grant_id: str | None, now: float) -> bool:
        """Approve or deny the device with this user code; False if it was decided before, or expired. If several units
        do this at the same time, only one gets True."""

    def use_device(self, hashed: bytes, now: float) -> bool:
        """Take an approved device's tokens; False if they were taken before. If several units do this, only one gets
        True."""

    def count_device_try(self, subject: str, since: float, now: float) -> int:
        """Count one more try of this user, and return the number of tries. A count that began before ``since`` starts
        at 1 again."""

    def forget_device_try(self, subject: str) -> None:
        """Count one try less."""


class AssertionRows(Protocol):
    """What may be used once: assertions that were accepted, and pages on which a user decided."""

    def add_assertion(self, hashed: bytes, expires_at: float) -> bool:
        """Remember it; False when it was there already. If several units do this at the same time, only one gets True."""


class KeyRows(Protocol):
    """Signing keys."""

    def read_keys_version(self) -> int:
        """A number that changes with each commit of :meth:`add_key` or :meth:`update_key`. Must stay one indexed query."""

    def list_keys(self, *, hold: bool = False) -> tuple[SigningKeyRecord, ...]:
        """All signing keys by number, also revoked and expired ones.

        :param hold: for a unit that changes keys. It waits until each unit that has stored a signed token has ended, and
            until this unit ends no other unit changes keys or stores a signed token. A store may give up that wait after
            some seconds, because a unit that hangs must not block the revocation of a key.
        """

    def add_key(self, key: SigningKeyRecord) -> bool:
        """Store a key; False, and nothing stored, when its number is taken."""

    def update_key(self, key: SigningKeyRecord) -> None:
        """Store the times of an existing key: when it begins to sign, was retired, expires, was revoked. A revoked key
        stays revoked."""

    def find_last_expiry(self, kid: str) -> float | None:
        """When the last access token that this key signed expires, or None if there is none."""


class AuditRows(Protocol):
    """The audit trail."""

    def add_audit(self, entry: AuditEntry) -> None:
        """Add a line. There is no way to change one, or to remove one that is younger than 30 days."""

    def list_audit(
        self,
        *,
        limit: int,
        since: float | None = None,
        event: str | None = None,
        client_id: str | None = None,
        subject: str | None = None,
    ) -> tuple[AuditEntry, ...]:
        """The newest ``limit`` lines that match, the newest first. May read the whole trail."""

    def search_audit(
        self,
        *,
        limit: int,
        depth: int,
        before: int | None = None,
        since: float | None = None,
        event: str | None = None,
        client_id: str | None = None,
        subject: str | None = None,
    ) -> AuditPage:
        """The newest ``limit`` lines that match, the newest first, among about ``depth`` lines: however long the trail is, this
        costs the same.

        :param before: ``older`` of the page before; None for the newest.
        """


class UpkeepRows(Protocol):
    """Rows that are no longer needed."""

    def prune(self, before: float, limit: int) -> int:
        """Delete codes, tokens and device codes that expired before a moment, and grants that have none of them left; at
        most ``limit`` of each. Returns how many rows were deleted. Clients, consents, keys and the audit trail stay."""

    def prune_audit(self, before: float, limit: int) -> int:
        """Delete lines of the audit trail from before a moment, at most ``limit``; the storage refuses this for lines
        that are younger than 30 days. Returns how many were deleted."""


class Unit(
    ClientRows,
    SelfRegistrationRows,
    CodeRows,
    ConsentRows,
    TokenRows,
    RefreshRows,
    DeviceRows,
    AssertionRows,
    KeyRows,
    AuditRows,
    UpkeepRows,
    Protocol,
):
    """One transaction on the store."""

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` once this unit is committed; never when it is rolled back."""


class Store(Protocol):
    """Opens units."""

    def reading(self) -> AbstractContextManager[Unit]:
        """A unit that only reads. It sees committed data only, including every commit that has returned before."""

    def writing(self) -> AbstractContextManager[Unit]:
        """A unit that commits at its end, before anything is answered, and rolls back on an exception.

        It is a transaction of its own, independent of the application's: a revocation must outlive the rollback that a
        4xx answer causes under pyramid_tm.
        """

    def join(self, manager: Any) -> AbstractContextManager[Unit]:
        """A unit in the application's transaction (``request.tm``): commits and rolls back with it."""
