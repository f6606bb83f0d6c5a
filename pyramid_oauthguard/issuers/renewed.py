"""The attempts to fetch what an issuer publishes: when one is made, and what other processes learn from it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from dogpile.cache import CacheRegion

from .. import processes
from ..caching import SKEW_SECONDS, read_number
from ..errors import CoolingError, UnavailableError
from ..telemetry.counting import PLAIN, count_fetch, note
from .attempts import EMBEDDED_COOLDOWN_SECONDS, EMBEDDED_LIFE_SECONDS, Attempts
from .last_good import LastGood
from .shared_entry import SharedEntry

__all__ = ["Fetched", "Renewed"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Fetched(Generic[T]):
    """An answer of the issuer.

    :ivar entry: another process can make an equal value from it. It contains only values that JSON supports.
    :ivar max_age: seconds for which the issuer allows to keep it, or None if the issuer does not say.
    """

    value: T
    entry: Mapping[str, Any]
    max_age: float | None = None


class Renewed(LastGood[T]):
    """A value, and the attempts to fetch a newer one. After a failure, one attempt is made in each cool-down.

    A failed answer never replaces a good value, which is used for at most ``max_stale`` seconds.

    :param ask: asks the issuer; raises UnavailableError.
    :param read: makes the value from the entry of another process, checked as if it came from the issuer; or None.
    :param label: the issuer's name in metrics.
    :param entry: the name of the entry in ``region``.
    :param lifetime: seconds that a value is used before it is fetched again; the issuer can only shorten it.
    :param cooldown: seconds between two attempts.
    :param is_embedded: whether the issuer runs in this process. It is then asked every second, without the cache.
    """

    def __init__(
        self,
        name: str,
        region: CacheRegion,
        *,
        ask: Callable[[], Fetched[T]],
        read: Callable[[Mapping[str, Any]], T | None],
        entry: str,
        lifetime: float,
        cooldown: float,
        max_stale: float,
        is_embedded: Callable[[], bool] = lambda: False,
        label: str = PLAIN,
    ) -> None:
        super().__init__(name, max_stale=max(max_stale, lifetime))
        self._label = label
        self._ask = ask
        self._read = read
        self._is_embedded = is_embedded
        self._shared = SharedEntry(region, entry)
        self._lifetime = lifetime
        self.attempts = Attempts(cooldown)
        self._lock = threading.Lock()
        self._forgotten_at = 0.0  # an older value is not used, even if a shared cache still has it
        self._began = -float("inf")  # of the fetch that is running, or of the last one; on the monotonic clock
        self._renewing = False
        self._asking: int | None = None  # the thread that asks the issuer now; it holds the lock
        self._is_changed = False  # the issuer said so while it was asked
        processes.register(self, Renewed._leave_parent)

    def _leave_parent(self) -> None:
        """In a child of a fork: a fetch that was running in the parent does not end here. A known value is still used."""
        if self._lock.locked():  # the fetch may have changed only some of the attributes: ask before the next use
            self.calm_until = self._fresh_until = 0.0
            self.attempts.forget()
        self._lock = threading.Lock()
        self._renewing, self._asking = False, None

    def _refresh(self, now: float) -> None:
        """Use the newer value of another process, or fetch one, unless the last attempt was too recent. Needs the lock."""
        self._began = time.monotonic()
        if now < self._fetched_at - SKEW_SECONDS:  # the clock was set back, so the age of the value is not known
            self._fetched_at = self._fresh_until = self.calm_until = now
        if self._is_embedded():
            self.attempts.cooldown = min(self.attempts.cooldown, EMBEDDED_COOLDOWN_SECONDS)
        if self._adopt(now):
            return
        if self.attempts.is_cooling(now):
            self._stretch(self.attempts.tried_at, self.attempts.cooldown)  # another process has just failed
            return
        with self._shared.take_turns():
            now = time.time()
            if not self._adopt(now):
                self.attempts.tried_at = now
                self._attempt(now)

    def _ask_once_more(self, now: float) -> None:
        """Make the extra attempt, unless another process has made it in this cool-down. Needs the lock."""
        self._began = time.monotonic()
        if self._adopt(now) or self.attempts.is_spent(now):
            return
        with self._shared.take_turns():
            now = time.time()
            if not self._adopt(now) and not self.attempts.is_spent(now):
                self.attempts.extra_at = now
                self._attempt(now)

    def _attempt(self, now: float) -> None:
        self.attempts.count += 1
        try:
            with count_fetch(self._label, self._name):
                found = self._ask_issuer()
        except UnavailableError as error:
            self._fail(error, now)
        except Exception as error:  # noqa: BLE001  # an issuer of the application's own may raise anything
            self._fail(UnavailableError(f"{self._name}_failed", type(error).__name__), now)
        else:
            if self._name == "keys":
                note("keys_fetched_timestamp", self._label, value=now)
            life = self._find_life(found.max_age)
            self._share(**found.entry, fetched_at=now, life=life)
            self._take(found.value, fetched_at=now, life=life)

    def _ask_issuer(self) -> Fetched[T]:
        """Ask. An issuer in this process may change what it publishes because it is asked: then ask once more, since the answer
        may be from before the change.
        """
        self._asking, self._is_changed = threading.get_ident(), False
        try:
            found = self._ask()
            return self._ask() if self._is_changed else found
        finally:
            self._asking = None

    def _find_life(self, max_age: float | None) -> float:
        if self._is_embedded():
            return EMBEDDED_LIFE_SECONDS
        return self._lifetime if max_age is None else min(max(max_age, self.attempts.cooldown), self._lifetime)

    def _share(self, **found: Any) -> None:
        """Write to the shared cache what was found, if anything, and when the issuer was asked."""
        if not self._is_embedded():
            self._shared.write({**(found or self._shared.read()), **self.attempts.describe()})

    def _fail(self, error: UnavailableError, now: float) -> None:
        self._note(error)
        if self._is_embedded():
            now = max(now, time.time())  # a call that hangs may take longer than the cool-down
        if isinstance(error, CoolingError):
            # The issuer was not asked. A cool-down that starts now would be added to the current one.
            now = min(now, time.time() + error.wait - self.attempts.cooldown)
        self.attempts.tried_at = now
        self._share()
        self._stretch(now, self.attempts.cooldown)

    def _adopt(self, now: float) -> bool:
        """Use the value that another process fetched, if it is newer and still fresh. Note when that process last asked."""
        entry = {} if self._is_embedded() else self._shared.read()
        fetched_at, life = read_number(entry.get("fetched_at")), read_number(entry.get("life"))
        self.attempts.learn(entry, now)
        if fetched_at is None or life is None:
            return False
        life = min(life, self._lifetime)
        if not max(self._fetched_at, self._forgotten_at) < fetched_at <= now + SKEW_SECONDS or now >= fetched_at + life:
            return False
        value = self._read(entry)
        if value is None:
            return False
        self._take(value, fetched_at=min(fetched_at, now), life=life)
        return True
