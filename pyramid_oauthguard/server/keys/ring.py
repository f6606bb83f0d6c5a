"""The current signing key and the published keys. Keys are replaced by age; the next one is published before it signs.

Keys are remembered in the process with their version in the storage. The unit that stores a token compares it, so that no
token is stored that a revoked key signed (SK-02); the published keys are always those of the storage's version.
"""

from __future__ import annotations

import itertools
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ... import processes
from ...errors import UnavailableError
from ...outages import Outages
from ..audit import Tell
from ..events import SigningKeyMade, SigningKeyRetired
from ..settings import ServerSettings
from ..store.contract import Store, Unit
from ..store.records import SigningKeyRecord
from .life import find_signing, find_start, find_usable, is_published
from .making import KeyMaker

__all__ = ["REMEMBER_SECONDS", "KeyPolicy", "KeyRing", "SigningKey", "retire"]

log = logging.getLogger("pyramid_oauthguard.server")
REMEMBER_SECONDS: Final = 60.0
# A request that began with fresh keys must not have to read them while it holds the writing lock of SQLite.
_PATIENCE_SECONDS: Final = 30.0
# Other processes sign with the keys that they remember, and the clocks of other hosts differ.
_MARGIN_SECONDS: Final = 300.0
_UPKEEP: Final = "the upkeep of the signing keys"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPolicy:
    """How keys are made and replaced; durations are seconds.

    :ivar rotation: age at which a key is replaced, 0 for never.
    :ivar lead: for how long a key is published before it signs.
    :ivar token_life: the lifetime of a token.
    """

    algorithm: str
    rotation: float = 0.0
    lead: float = 86400.0
    token_life: float = 600.0

    @classmethod
    def of(cls, settings: ServerSettings) -> KeyPolicy:
        return cls(
            algorithm=settings.signing_algorithm,
            rotation=settings.signing_rotation,
            lead=settings.signing_lead,
            token_life=settings.access_token_ttl,
        )


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key ready to sign.

    :ivar keys_version: the version of the key set when this one was chosen.
    """

    kid: str
    algorithm: str
    key: Any = field(repr=False)
    keys_version: int


@dataclass(frozen=True, slots=True)
class _Known:
    """The keys, as a unit has read them.

    :ivar order: a number that grows with each read that begins.
    :ivar read_at: seconds since the epoch.
    """

    order: int = -1
    version: int = -1
    records: tuple[SigningKeyRecord, ...] = ()
    read_at: float = float("-inf")


class KeyRing:
    """The keys of one issuer.

    :param changed: called after the commit of a unit that found that another process had changed the keys.
    """

    def __init__(
        self,
        store: Store,
        maker: KeyMaker,
        policy: KeyPolicy,
        *,
        tell: Tell,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._maker = maker
        self._policy = policy
        self._tell = tell
        self._changed = changed
        self._lock = threading.Lock()
        self._advancing = threading.Lock()
        self._order = itertools.count()
        self._known = _Known()
        self._signer: SigningKey | None = None
        self._up_to_date: tuple[int, int] | None = None  # the keys and the second for which nothing was due
        self._outages = Outages(log)
        processes.register(self, KeyRing._leave_parent)

    def find_signer(self) -> SigningKey:
        """The current signing key that this process knows; makes the first one.

        :raises UnavailableError: the storage can't be reached, or the keys were encrypted with another pepper.
        """
        known = self._load(REMEMBER_SECONDS + _PATIENCE_SECONDS)
        record = self._find_signing(known.records)
        if record is None:
            known, record = self._make_first()
        signer = self._signer
        if signer is None or signer.kid != record.kid:
            signer = SigningKey(record.kid, record.algorithm, self._maker.open(record), known.version)
        elif signer.keys_version != known.version:
            signer = replace(signer, keys_version=known.version)
        self._signer = signer
        return signer

    def is_revoked(self, kid: str) -> bool:
        """Whether this key was revoked; False if the storage can't be reached."""
        with suppress(UnavailableError):
            return any(record.kid == kid and record.revoked_at is not None for record in self._load().records)
        return False

    def can_open(self, record: SigningKeyRecord) -> bool:
        """Whether the private half of a key can be decrypted with the pepper."""
        return self._maker.can_open(record)

    def learn(self, unit: Unit) -> None:
        """Read the keys again in a unit that could not store a token, because they had changed.

        :raises UnavailableError: none of them signs; the next request makes one.
        """
        before = self._known.version
        known = self._read(unit)
        if known.version != before:
            unit.after_commit(self._tell_changed)
        if self._find_signing(known.records) is None:
            self.forget()
            raise UnavailableError("no_signing_key", retry_after=1)

    def _tell_changed(self) -> None:
        """Call the listener. The token is already stored, so an error of the listener is only logged."""
        try:
            self._changed()
        except Exception:  # see above
            log.exception("a listener to changes of the signing keys failed")

    def list_published(self) -> tuple[Mapping[str, Any], ...]:
        """Public JWKs of every key that may have signed a live token, or will sign: as they are in the storage now.

        :raises UnavailableError: the storage can't be reached.
        """
        self._look()
        self.keep_up()
        return self.list_remembered()

    def list_remembered(self) -> tuple[Mapping[str, Any], ...]:
        """The same, at most a minute old, for when the storage can't be reached.

        :raises UnavailableError: they were not read in the last minute, and can't be read now.
        """
        now = time.time()
        return tuple(json.loads(record.public_jwk) for record in self._load().records if is_published(record, now))

    def keep_up(self) -> None:
        """Read the keys again once a minute, and make or retire one if it is due.

        Called before a request opens a unit. If no key can be made, a later request tries again, and the present keys
        continue to sign.

        :raises UnavailableError: the storage can't be reached.
        """
        now, known = time.time(), self._load()
        seen, advancing = (known.order, int(now)), self._advancing  # a fork may replace the lock meanwhile
        if seen == self._up_to_date:  # once in a second is enough
            return
        if not self._is_behind(known.records, now):
            self._up_to_date = seen
        elif advancing.acquire(blocking=False):
            try:
                self._advance(now)
            except UnavailableError as error:
                text = f"the signing keys can't be brought up to date: {error}"
                self._outages.report(_UPKEEP, text, level=logging.WARNING)
            else:
                self._outages.ended(_UPKEEP)
            finally:
                advancing.release()

    def forget(self) -> None:
        """Read the keys again at the next use: they were changed."""
        self._known = replace(self._known, read_at=float("-inf"))

    def _leave_parent(self) -> None:
        """In a child of a fork: locks that a thread of the parent holds would never be released."""
        self._lock = threading.Lock()
        self._advancing = threading.Lock()
        self._signer = None
        self.forget()

    def _load(self, limit: float = REMEMBER_SECONDS) -> _Known:
        known = self._known
        if 0 <= time.time() - known.read_at < limit:
            return known
        with self._lock, self._store.reading() as unit:
            return self._read(unit)

    def _look(self) -> None:
        """Read the keys again if their version in the storage has changed; the check is one short query."""
        with self._store.reading() as unit:
            if unit.read_keys_version() != self._known.version:
                self._read(unit)

    def _read(self, unit: Unit) -> _Known:
        """The keys that this unit sees. They are remembered, unless a read that began later is remembered already."""
        order, now = next(self._order), time.time()
        # The version is read first: keys newer than their version are read again, older ones would not be.
        version = unit.read_keys_version()
        found = _Known(order, version, unit.list_keys(), now)
        if order > self._known.order:
            self._known = found
        return found

    def _find_signing(self, records: tuple[SigningKeyRecord, ...]) -> SigningKeyRecord | None:
        return find_signing(records, self._policy.algorithm, time.time())

    def _find_start(self, records: tuple[SigningKeyRecord, ...], now: float) -> float | None:
        policy = self._policy
        return find_start(records, policy.algorithm, rotation=policy.rotation, lead=policy.lead, now=now)

    def _is_behind(self, records: tuple[SigningKeyRecord, ...], now: float) -> bool:
        return self._find_start(records, now) is not None or bool(self._find_replaced(records, now))

    def _find_replaced(self, records: tuple[SigningKeyRecord, ...], now: float) -> list[SigningKeyRecord]:
        """Keys that no longer sign, because a newer one does."""
        signing = self._find_signing(records)
        if signing is None or now < signing.active_from:
            return []
        return [record for record in find_usable(records, now) if record.number < signing.number]

    def _advance(self, now: float) -> None:
        active_from = self._find_start(self._load().records, now)
        # Before the unit: making an RSA key takes long, and during a unit no other could write.
        made = (
            None if active_from is None else self._maker.make(self._policy.algorithm, number=0, active_from=active_from)
        )
        with self._store.writing() as unit:
            records = unit.list_keys(hold=True)
            for record in self._find_replaced(records, now):
                retire(unit, record, self._policy, now=now, tell=self._tell)
            if made is not None and self._find_start(records, now) is not None:
                self._add(unit, made, records)
        self.forget()

    def _make_first(self) -> tuple[_Known, SigningKeyRecord]:
        """Make a key that signs at once. If two processes do so at the same time, both use the key of the first."""
        with suppress(UnavailableError):  # if the key can't be stored, it can't be found either
            self._advance(time.time())
        known = self._load()
        found = self._find_signing(known.records)
        if found is None:
            raise UnavailableError("no_signing_key")
        return known, found

    def _add(self, unit: Unit, made: SigningKeyRecord, records: tuple[SigningKeyRecord, ...]) -> None:
        record = replace(made, number=max((each.number for each in records), default=0) + 1)
        if unit.add_key(record):  # otherwise another process was faster
            self._tell(unit, SigningKeyMade(record.kid, record.algorithm, record.active_from))


def retire(unit: Unit, record: SigningKeyRecord, policy: KeyPolicy, *, now: float, tell: Tell) -> None:
    """Retire a key: it no longer signs, but stays published until the last of its tokens has expired."""
    last = unit.find_last_expiry(record.kid) or 0.0
    expires_at = max(last, now + policy.token_life) + _MARGIN_SECONDS
    unit.update_key(replace(record, retired_at=now, expires_at=expires_at))
    tell(unit, SigningKeyRetired(record.kid, expires_at))
