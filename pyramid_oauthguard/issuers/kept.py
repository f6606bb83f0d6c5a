"""Kept: what an issuer publishes (its keys, its metadata), kept, renewed in the background, the last good one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from dogpile.cache import CacheRegion

from .. import processes
from ..caching import SKEW_SECONDS, read_number
from ..errors import CoolingError, UnavailableError
from ..telemetry.counting import PLAIN, count_fetch, note
from .attempts import EMBEDDED_COOLDOWN_SECONDS, EMBEDDED_LIFE_SECONDS, Attempts
from .last_good import LastGood
from .shared_entry import SharedEntry

__all__ = ["Fetched", "Kept"]

#: For how many seconds after a fetch began others wait for it who need what the value does not have: not counted from when
#: they came, or who sends one after the other kept all threads waiting as long as an issuer hangs.
_PATIENCE: Final = 1.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Fetched(Generic[T]):
    """An answer of the issuer.

    :ivar entry: what another process makes an equal value of; only what JSON can hold.
    :ivar max_age: for how many seconds the issuer lets it be kept, or None where it does not say.
    """

    value: T
    entry: Mapping[str, Any]
    max_age: float | None = None


class Kept(LastGood[T]):
    """One value, safe to share between threads.

    One fetch at a time. After a failure one attempt a cool-down. A failed answer never replaces a good value, which serves
    for ``max_stale`` seconds. Who needs something that the value does not have causes one attempt a cool-down, and after a
    good one an extra attempt: it may have been published just after the value was fetched. Who needs nothing of that kind
    never waits for it.

    :param ask: asks the issuer; raises UnavailableError.
    :param read: the value of another process's entry, judged as if it came from the issuer, or None.
    :param label: of the issuer, under which attempts are counted.
    :param entry: the name of the entry in ``region``.
    :param lifetime: seconds a value is good for; the issuer can only shorten it.
    :param cooldown: seconds between two attempts.
    :param is_embedded: whether the issuer runs in this process. It is then asked every second, past the cache.
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
        self._forgotten_at = 0.0  # a value from before is of no use, also where it comes back in a shared cache
        self._began = -float("inf")  # the fetch under way, or the last one; on the monotonic clock
        self._renewing = False
        processes.register(self, Kept._leave_parent)

    def require(self, now: float) -> T:
        """The value in force at ``now``. The same object as long as values are equal.

        :raises UnavailableError: there is none and the issuer can't be asked.
        """
        value = self.value
        if value is not None and self._fetched_at - SKEW_SECONDS <= now < self.calm_until:
            return value  # nearly always, and once in every request
        if value is None or not self.is_fresh(now):
            return self._require_expired()
        self._renew_in_background(now)
        return value

    def wait(self) -> T:
        """As :meth:`require`, but a value that is due is renewed before it is used, also where another thread is just asking.
        For one thread at a time.
        """
        with self._lock:
            now = time.time()
            if self.value is None or not self.is_fresh(now) or now >= self.calm_until:
                self._refresh(now)
            return self._serve(now)

    def ask_again(self, seen: T, attempts: int) -> T:
        """A newer value than ``seen``, if a fetch may be made and gives one; what is known otherwise.

        :param attempts: how many had begun when the need arose. One that began later was made for it, too.
        """
        left = self._began + _PATIENCE - time.monotonic() if self._failure is None else 0
        lock = self._lock  # a fork may replace it meanwhile
        if not lock.acquire(timeout=max(left, 0.05)):
            raise UnavailableError(f"{self._name}_being_fetched", retry_after=1)
        try:
            now = time.time()
            if self.value is seen and self.attempts.count == attempts:
                if not self.attempts.is_cooling(now):
                    self._refresh(now)
                elif self._failure is None and not self.attempts.is_spent(now):
                    self._ask_once_more(now)
            if self._failure is not None:
                raise self._failure.repeat()  # it is not known whether the issuer has it
            return self._serve(now)
        finally:
            lock.release()

    def forget(self) -> None:
        """The issuer said that it changed: ask before the next use, cool-down or not."""
        with self._lock:
            self._shared.forget()
            self.calm_until = self._fresh_until = self._fetched_at = 0.0
            self.attempts.forget()
            self._forgotten_at = time.time()
            self._failure = None
            self.value = None

    def distrust(self) -> None:
        """It may be out of date: ask before the next use, unless that failed a moment ago. It serves if that fails."""
        with self._lock:
            self._shared.forget()
            self.calm_until = self._fresh_until = 0.0
            if self._failure is None:
                self.attempts.forget()

    def doubt(self) -> float:
        """What is wrong or missing in it now must not stay so for its life: it is asked for again after a cool-down.

        :returns: in how many seconds.
        """
        with self._lock:
            self._shared.forget()
            again_at = self._fetched_at + self.attempts.cooldown
            self._fresh_until, self.calm_until = min(self._fresh_until, again_at), min(self.calm_until, again_at)
            now = time.time()
            return max(self._fresh_until - now, self.find_wait(now), 0.0)

    def find_wait(self, now: float) -> float:
        """Seconds until the issuer may be asked again after a failure; 0 where it may be now."""
        failing = self._failure is not None or self.value is None
        return (
            self.attempts.tried_at + self.attempts.cooldown - now if failing and self.attempts.is_cooling(now) else 0.0
        )

    def _leave_parent(self) -> None:
        """In a child of a fork: a fetch that runs in the parent ends there. A known value serves on."""
        if self._lock.locked():  # what that fetch has noted is not the whole of it: ask before the next use
            self.calm_until = self._fresh_until = 0.0
            self.attempts.forget()
        self._lock = threading.Lock()
        self._renewing = False

    def _require_expired(self) -> T:
        """Ask before a value is used after the end of its life: else a withdrawn key would be accepted longer."""
        lock = self._lock  # a fork may replace it meanwhile
        if not self._wait_for_turn(lock):
            return self._serve(time.time())
        try:
            now = time.time()
            if self.value is None or not self.is_fresh(now):
                self._refresh(now)
            return self._serve(now)
        finally:
            lock.release()

    def _wait_for_turn(self, lock: threading.Lock) -> bool:
        """Take the lock; False where what is known serves on while another thread asks."""
        # Down when it was last asked and just being asked again: one thread waits for that, not all of them.
        if self._failure is not None:
            return lock.acquire(blocking=False)
        if self.value is None or not self._is_embedded():
            return lock.acquire()
        # If the storage hangs, not all threads may hang with it.
        return lock.acquire(timeout=max(self._began + _PATIENCE - time.monotonic(), 0.05))

    def _renew_in_background(self, now: float) -> None:
        if self.attempts.is_cooling(now) or not self._lock.acquire(blocking=False):
            return
        under_way, self._renewing = self._renewing, True
        self._lock.release()
        if under_way:
            return
        try:
            threading.Thread(target=self._renew, name=f"oauthguard-{self._name}", daemon=True).start()
        except RuntimeError:  # no thread can be started: the value serves on, and a later call tries again
            self._renewing = False

    def _renew(self) -> None:
        try:
            with self._lock:
                now = time.time()
                if now >= self.calm_until:
                    self._refresh(now)
        finally:
            self._renewing = False

    def _refresh(self, now: float) -> None:
        """Adopt another process's newer value, or fetch one, unless an attempt is cooling down. Holds the lock."""
        self._began = time.monotonic()
        if now < self._fetched_at - SKEW_SECONDS:  # the clock was set back: the age of the value is not known
            self._fetched_at = self._fresh_until = self.calm_until = now
        if self._is_embedded():
            self.attempts.cooldown = min(self.attempts.cooldown, EMBEDDED_COOLDOWN_SECONDS)
        if self._adopt(now):
            return
        if self.attempts.is_cooling(now):
            self._stretch(self.attempts.tried_at, self.attempts.cooldown)  # another process asked in vain a moment ago
            return
        with self._shared.take_turns():
            now = time.time()
            if not self._adopt(now):
                self.attempts.tried_at = now
                self._attempt(now)

    def _ask_once_more(self, now: float) -> None:
        """Make the extra attempt, unless another process has made it in this cool-down. Holds the lock."""
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
                found = self._ask()
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

    def _find_life(self, max_age: float | None) -> float:
        if self._is_embedded():
            return EMBEDDED_LIFE_SECONDS
        return self._lifetime if max_age is None else min(max(max_age, self.attempts.cooldown), self._lifetime)

    def _share(self, **found: Any) -> None:
        """Tell the processes that share the cache what was found, if anything, and when the issuer was asked."""
        if not self._is_embedded():
            self._shared.write({**(found or self._shared.read()), **self.attempts.describe()})

    def _fail(self, error: UnavailableError, now: float) -> None:
        self._note(error)
        if self._is_embedded():
            now = max(now, time.time())  # a storage that hangs takes longer to fail than to cool down
        if isinstance(error, CoolingError):
            # The issuer was not asked. A cool-down from now on would come on top of the one that is under way.
            now = min(now, time.time() + error.wait - self.attempts.cooldown)
        self.attempts.tried_at = now
        self._share()
        self._stretch(now, self.attempts.cooldown)

    def _adopt(self, now: float) -> bool:
        """Take what another process fetched, when it is newer and still fresh; learn when it last tried."""
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
