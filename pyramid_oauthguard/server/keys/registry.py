"""The registry of signing keys, for operators. The automatic rotation is in ``ring``.

::

    from pyramid_oauthguard.server.keys import get_keys

    keys = get_keys(request.registry)
    keys.revoke(kid)  # its private half may be known to others: none of its tokens is valid any more
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from zope.interface import Interface, implementer

from ...errors import OAuthGuardError
from ...includes import require_included
from ..audit import Tell
from ..events import SigningKeyMade, SigningKeyRevoked
from ..store.contract import Store, Unit
from ..store.records import SigningKeyRecord
from .life import describe_state, find_signing, find_usable, is_published
from .making import KeyMaker
from .ring import KeyPolicy, retire

__all__ = ["IKeyRegistry", "KeyRegistry", "KeyStatus", "SigningKeyError", "get_keys"]


class IKeyRegistry(Interface):
    """The registry key of the one :class:`KeyRegistry` of an application."""


class SigningKeyError(OAuthGuardError):
    """A signing key can't be changed in this way; the text of the error has the reason."""

    def __init__(self, problem: str) -> None:
        super().__init__("signing_key")
        self.problem = problem

    def __str__(self) -> str:
        return self.problem


@dataclass(frozen=True, slots=True)
class KeyStatus:
    """A key and its state: ``next``, ``signing``, ``replaced``, ``expired``, ``revoked``."""

    record: SigningKeyRecord
    state: str


def get_keys(registry: Any) -> KeyRegistry:
    """The key registry of the application that ``registry`` (Pyramid's) belongs to.

    :raises OAuthGuardError: the authorization server isn't included, or its configuration isn't committed yet.
    """
    found: KeyRegistry = require_included(registry, IKeyRegistry)
    return found


@implementer(IKeyRegistry)
class KeyRegistry:
    """Lists, rotates, retires and revokes signing keys.

    Each method is a transaction of its own that is over when it returns. From then on no process of the server stores a
    token that a retired or revoked key signed, and each publishes the keys as they are. A guard in the same process
    follows at once, in another process of the server within a second, elsewhere when it reads the key set again.

    All methods raise :class:`~pyramid_oauthguard.errors.UnavailableError` when the storage can't be reached.
    """

    def __init__(self, store: Store, maker: KeyMaker, policy: KeyPolicy, *, tell: Tell) -> None:
        self._store = store
        self._maker = maker
        self._policy = policy
        self._tell = tell

    def list_all(self) -> tuple[KeyStatus, ...]:
        """All keys, the oldest first; also revoked and expired ones."""
        with self._store.reading() as unit:
            records = unit.list_keys()
        now = time.time()
        signing = find_signing(records, self._policy.algorithm, now)
        return tuple(KeyStatus(record, describe_state(record, signing, now)) for record in records)

    def rotate(self, *, at_once: bool = False) -> SigningKeyRecord:
        """Make the next key. It is published now, and signs once it has been for ``signing.lead``.

        :param at_once: it signs now. A guard that keeps the key set reads it again at the first token of the new key; other
            verifiers may refuse its tokens until they read it again.
        :raises SigningKeyError: there is a next key already.
        """
        now = time.time()
        made = self._maker.make(
            self._policy.algorithm, number=0, active_from=now if at_once else now + self._policy.lead
        )
        with self._store.writing() as unit:
            records = unit.list_keys(hold=True)
            waiting = [record for record in find_usable(records, now) if now < record.active_from]
            if waiting and not at_once:
                raise SigningKeyError(f"{waiting[-1].kid} is published already and signs next")
            return self._add(unit, made)

    def retire(self, kid: str) -> None:
        """Retire a key: it no longer signs. It stays published until its last token has expired; another key signs at
        once.

        :raises SigningKeyError: no such key, or it doesn't sign any more.
        """
        now = time.time()
        with self._store.writing() as unit:
            record = _require(unit.list_keys(hold=True), kid)
            if record not in find_usable([record], now):
                raise SigningKeyError(f"{kid} doesn't sign any more")
            retire(unit, record, self._policy, now=now, tell=self._tell)
            self._ensure_signer(unit, now)

    def revoke(self, kid: str) -> None:
        """End a key at once: it is not published, and every token it signed is inactive. Another key signs at once.

        :raises SigningKeyError: no such key, or it is revoked or expired.
        """
        now = time.time()
        with self._store.writing() as unit:
            record = _require(unit.list_keys(hold=True), kid)
            if not is_published(record, now):
                raise SigningKeyError(f"{kid} is not published any more: no token of it is good")
            unit.update_key(replace(record, revoked_at=now))
            self._tell(unit, SigningKeyRevoked(kid))
            self._ensure_signer(unit, now)

    def _ensure_signer(self, unit: Unit, now: float) -> None:
        usable = find_usable(unit.list_keys(), now)
        if any(record.active_from <= now for record in usable):
            return
        if usable:
            unit.update_key(replace(usable[0], active_from=now))
        else:
            self._add(unit, self._maker.make(self._policy.algorithm, number=0))

    def _add(self, unit: Unit, made: SigningKeyRecord) -> SigningKeyRecord:
        record = replace(made, number=max((each.number for each in unit.list_keys()), default=0) + 1)
        if not unit.add_key(record):
            raise SigningKeyError("another process made a key just now: look again")
        self._tell(unit, SigningKeyMade(record.kid, record.algorithm, record.active_from))
        return record


def _require(records: Iterable[SigningKeyRecord], kid: str) -> SigningKeyRecord:
    for record in records:
        if record.kid == kid:
            return record
    raise SigningKeyError(f"there is no signing key {kid}")
