"""What an issuer publishes (its keys, its metadata): kept, renewed in the background, and used while the issuer is down."""

from __future__ import annotations

import threading
import time
from typing import Final, TypeVar

from ..caching import SKEW_SECONDS
from ..errors import UnavailableError
from .renewed import Fetched, Renewed

__all__ = ["Fetched", "Kept"]

#: A thread waits for a running fetch until this long after the fetch began. The time does not begin when the thread comes:
#: otherwise callers that come one after the other could keep all threads waiting while an issuer hangs.
_PATIENCE_SECONDS: Final = 1.0

T = TypeVar("T")


class Kept(Renewed[T]):
    """One value, safe to share between threads. Only one thread fetches at a time.

    A caller that needs something that the value does not have causes at most one attempt in each cool-down. After a
    successful one, it causes one more: the issuer may have published it just after the value was fetched. Other callers never
    wait for these attempts.
    """

    def require(self, now: float) -> T:
        """The value to use at ``now``. The same object as long as the values are equal.

        :raises UnavailableError: there is none and the issuer can't be asked.
        """
        value = self.value
        if value is not None and self._fetched_at - SKEW_SECONDS <= now < self.calm_until:
            return value  # the usual case; this runs once in every request
        if value is None or not self.is_fresh(now):
            return self._require_expired()
        self._renew_in_background(now)
        return value

    def wait(self) -> T:
        """Like :meth:`require`, but a value that is due is renewed before it is used, even if another thread is asking.
        Only one thread at a time may call it.
        """
        with self._lock:
            now = time.time()
            if self.value is None or not self.is_fresh(now) or now >= self.calm_until:
                self._refresh(now)
            return self._serve(now)

    def ask_again(self, seen: T, attempts: int) -> T:
        """A newer value than ``seen``, if a fetch is allowed and returns one; otherwise the known value.

        :param attempts: the number of attempts when the caller looked at ``seen``. If there was another one since, none is made.
        """
        left = self._began + _PATIENCE_SECONDS - time.monotonic() if self._failure is None else 0
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
                raise self._failure.repeat()  # the issuer may or may not have it
            return self._serve(now)
        finally:
            lock.release()

    def forget(self) -> None:
        """The issuer said that the value changed: ask before the next use, even during a cool-down."""
        if self._asking == threading.get_ident():  # this thread holds the lock and waits for the issuer's answer
            self._is_changed = True
            return
        with self._lock:
            self._shared.forget()
            self.calm_until = self._fresh_until = self._fetched_at = 0.0
            self.attempts.forget()
            self._forgotten_at = time.time()
            self._failure = None
            self.value = None

    def distrust(self) -> None:
        """The value may be out of date: ask before the next use, unless the last attempt failed. If asking fails, it is still used."""
        with self._lock:
            self._shared.forget()
            self.calm_until = self._fresh_until = 0.0
            if self._failure is None:
                self.attempts.forget()

    def doubt(self) -> float:
        """Something is wrong or missing in the value: ask for it again after a cool-down, not at the end of its life.

        :returns: the number of seconds until then.
        """
        with self._lock:
            self._shared.forget()
            again_at = self._fetched_at + self.attempts.cooldown
            self._fresh_until, self.calm_until = min(self._fresh_until, again_at), min(self.calm_until, again_at)
            now = time.time()
            return max(self._fresh_until - now, self.find_wait(now), 0.0)

    def find_wait(self, now: float) -> float:
        """Seconds until the issuer may be asked again after a failure; 0 if it may be asked now."""
        failing = self._failure is not None or self.value is None
        return (
            self.attempts.tried_at + self.attempts.cooldown - now if failing and self.attempts.is_cooling(now) else 0.0
        )

    def _require_expired(self) -> T:
        """Ask before a value is used after the end of its life. Otherwise a withdrawn key would be accepted for longer."""
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
        """Take the lock. False if the known value is to be used while another thread asks."""
        if self._asking == threading.get_ident():  # a subscriber of an event of the issuer checks a token meanwhile
            return False
        # The last attempt failed, and the next one is running: only one thread waits for it.
        if self._failure is not None:
            return lock.acquire(blocking=False)
        if self.value is None or not self._is_embedded():
            return lock.acquire()
        # If the storage hangs, not all threads may wait for it.
        return lock.acquire(timeout=max(self._began + _PATIENCE_SECONDS - time.monotonic(), 0.05))

    def _renew_in_background(self, now: float) -> None:
        if self.attempts.is_cooling(now) or not self._lock.acquire(blocking=False):
            return
        under_way, self._renewing = self._renewing, True
        self._lock.release()
        if under_way:
            return
        try:
            threading.Thread(target=self._renew, name=f"oauthguard-{self._name}", daemon=True).start()
        except RuntimeError:  # no thread can be started: the value is still used, and a later call tries again
            self._renewing = False

    def _renew(self) -> None:
        try:
            with self._lock:
                now = time.time()
                if now >= self.calm_until:
                    self._refresh(now)
        finally:
            self._renewing = False
