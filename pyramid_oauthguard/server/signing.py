"""The key that signs now, and the keys that are published; replaced by age, each next one published before it signs.

Keys are remembered in the process for a minute. A key that another process made is published from the moment this one
reads it, which is why none signs before it has been published for ``lead`` (SK-01).
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ..errors import UnavailableError
from .audit import Tell
from .events import SigningKeyMade, SigningKeyRetired
from .key_life import find_signing, find_usable, is_due, is_published
from .key_making import KeyMaker
from .settings import ServerSettings
from .store.contract import Store, Unit
from .store.records import SigningKeyRecord

__all__ = ["REMEMBER", "KeyPolicy", "KeyRing", "SigningKey", "retire"]

log = logging.getLogger("pyramid_oauthguard.server")
REMEMBER: Final = 60.0
# A request that began with fresh keys must not have to read them while it holds the writing lock of SQLite.
_PATIENCE: Final = 30.0
# Other processes sign with what they remember, and other hosts' clocks differ.
_MARGIN: Final = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPolicy:
    """How keys are made and replaced; durations are seconds.

    :ivar rotation: age at which a key is replaced, 0 for never by itself.
    :ivar lead: for how long a key is published before it signs.
    :ivar token_life: for how long a token that was signed just now lives.
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
    """A key ready to sign."""

    kid: str
    algorithm: str
    key: Any = field(repr=False)


class KeyRing:
    """The keys of one issuer."""

    def __init__(self, store: Store, maker: KeyMaker, policy: KeyPolicy, *, tell: Tell) -> None:
        self._store = store
        self._maker = maker
        self._policy = policy
        self._tell = tell
        self._lock = threading.Lock()
        self._advancing = threading.Lock()
        self._records: tuple[SigningKeyRecord, ...] = ()
        self._read_at = float("-inf")
        self._signer: SigningKey | None = None

    def find_signer(self) -> SigningKey:
        """The key to sign with now; makes the first one.

        :raises UnavailableError: the storage can't be reached, or the pepper is not the one that the keys were kept with.
        """
        record = self._find_signing(self._load(REMEMBER + _PATIENCE)) or self._make_first()
        signer = self._signer
        if signer is None or signer.kid != record.kid:
            signer = self._signer = SigningKey(record.kid, record.algorithm, self._maker.open(record))
        return signer

    def list_published(self, *, fresh: bool = False) -> tuple[Mapping[str, Any], ...]:
        """Public JWKs of every key that may have signed a live token, or will sign.

        :param fresh: as they are now, not as they are remembered.
        :raises UnavailableError: the storage can't be reached.
        """
        if fresh:
            self.forget()
        self.keep_up()
        now = time.time()
        return tuple(json.loads(record.public_jwk) for record in self._load() if is_published(record, now))

    def keep_up(self) -> None:
        """Read the keys again where they were read a minute ago, and make or retire one when its time has come.

        Called before a request opens a unit. What fails to be made is tried again by a later request: the keys that
        are there go on signing.

        :raises UnavailableError: the storage can't be reached.
        """
        now = time.time()
        records = self._load()
        if self._is_behind(records, now) and self._advancing.acquire(blocking=False):
            try:
                self._advance(now)
            except UnavailableError as error:
                log.warning("the signing keys can't be brought up to date: %s", error)
            finally:
                self._advancing.release()

    def forget(self) -> None:
        """Read the keys again at the next use: they were changed."""
        self._read_at = float("-inf")

    def _load(self, limit: float = REMEMBER) -> tuple[SigningKeyRecord, ...]:
        now = time.time()
        if not 0 <= now - self._read_at < limit:
            with self._lock, self._store.reading() as unit:
                self._records = unit.list_keys()
                self._read_at = now
        return self._records

    def _find_signing(self, records: tuple[SigningKeyRecord, ...]) -> SigningKeyRecord | None:
        return find_signing(records, self._policy.algorithm, time.time())

    def _is_due(self, records: tuple[SigningKeyRecord, ...], now: float) -> float | None:
        policy = self._policy
        return is_due(records, policy.algorithm, rotation=policy.rotation, lead=policy.lead, now=now)

    def _is_behind(self, records: tuple[SigningKeyRecord, ...], now: float) -> bool:
        return self._is_due(records, now) is not None or bool(self._find_replaced(records, now))

    def _find_replaced(self, records: tuple[SigningKeyRecord, ...], now: float) -> list[SigningKeyRecord]:
        """Keys that don't sign any more, since a newer one does."""
        signing = self._find_signing(records)
        if signing is None or now < signing.active_from:
            return []
        return [record for record in find_usable(records, now) if record.number < signing.number]

    def _advance(self, now: float) -> None:
        active_from = self._is_due(self._load(), now)
        # Before the unit: an RSA key takes its time, and nobody else could write meanwhile.
        made = (
            None if active_from is None else self._maker.make(self._policy.algorithm, number=0, active_from=active_from)
        )
        with self._store.writing() as unit:
            records = unit.list_keys()
            for record in self._find_replaced(records, now):
                retire(unit, record, self._policy, now=now, tell=self._tell)
            if made is not None and self._is_due(records, now) is not None:
                self._add(unit, made, records)
        self.forget()

    def _make_first(self) -> SigningKeyRecord:
        """Make a key that signs at once. Of two processes that do so together one wins, and both use its key."""
        with suppress(UnavailableError):  # if it can't be made, it can't be found either
            self._advance(time.time())
        found = self._find_signing(self._load())
        if found is None:
            raise UnavailableError("no_signing_key")
        return found

    def _add(self, unit: Unit, made: SigningKeyRecord, records: tuple[SigningKeyRecord, ...]) -> None:
        record = replace(made, number=max((each.number for each in records), default=0) + 1)
        if unit.add_key(record):  # else another process was faster
            self._tell(unit, SigningKeyMade(record.kid, record.algorithm, record.active_from))


def retire(unit: Unit, record: SigningKeyRecord, policy: KeyPolicy, *, now: float, tell: Tell) -> None:
    """Let a key sign no more; it stays published until the last of its tokens has expired."""
    last = unit.find_last_expiry(record.kid) or 0.0
    expires_at = max(last, now + policy.token_life) + _MARGIN
    unit.update_key(replace(record, retired_at=now, expires_at=expires_at))
    tell(unit, SigningKeyRetired(record.kid, expires_at))
