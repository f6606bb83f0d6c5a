"""KeySource: the issuer's signing keys, cached, prepared, and steady when the issuer is not."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from dogpile.cache import CacheRegion

from .. import processes
from ..caching import SKEW, read_number
from ..errors import CoolingError, InvalidToken, UnavailableError
from ..interfaces import KeyDocument
from ..jwt.keyset import KeySet, build_key_set
from ..jwt.verify import Candidates
from ..outages import Outages
from ..strict_json import check_depth
from .attempts import EMBEDDED_COOLDOWN_SECONDS, EMBEDDED_LIFE_SECONDS, Attempts
from .shared_keys import SharedKeys

__all__ = ["KeySource"]

logger = logging.getLogger("pyramid_oauthguard")
#: Beyond this share of its life a set is renewed in the background while it goes on serving.
_REFRESH_AT: Final = 0.8
_CAUSE: Final = "the issuer's keys"
#: For how many seconds after a fetch began tokens with an unknown key wait for it: not counted from when they came, or
#: who sends one after the other kept all threads waiting as long as an issuer hangs.
_PATIENCE: Final = 1.0


class KeySource:
    """The keys in force.

    One fetch at a time. For unknown kids one attempt a cool-down, and after a good one an extra attempt: a key may have
    begun to sign just after the set was fetched. After a failure one attempt a cool-down. A failed or empty answer never
    replaces a good set. Tokens whose key is known never wait for any of that.

    :param fetch: asks the issuer; raises UnavailableError.
    :param is_embedded: whether the issuer runs in this process. It is then asked every second, past the cache.
    :param lifetime: seconds a set is good for; the issuer's ``max-age`` can only shorten it.
    :param cooldown: seconds between two attempts.
    :param max_stale: seconds after its fetch that a set may serve while the issuer is down.
    """

    def __init__(
        self,
        fetch: Callable[[], KeyDocument],
        region: CacheRegion,
        *,
        algorithms: tuple[str, ...],
        lifetime: float,
        cooldown: float,
        max_stale: float,
        is_embedded: Callable[[], bool] = lambda: False,
    ) -> None:
        self._fetch = fetch
        self._is_embedded = is_embedded
        self._shared = SharedKeys(region)
        self._algorithms = algorithms
        self._lifetime = lifetime
        self._attempts = Attempts(cooldown)
        self._max_stale = max(max_stale, lifetime)
        self._lock = threading.Lock()
        #: The set last fetched, and until when it may be used without a thought.
        self.keys: KeySet | None = None
        self.calm_until = 0.0
        self._fetched_at = 0.0
        self._fresh_until = 0.0
        self._forgotten_at = 0.0  # a set from before is of no use, also where it comes back in a shared cache
        self._began = -float("inf")  # the fetch under way, or the last one; on the monotonic clock
        self._failure: UnavailableError | None = None
        self._renewing = False
        self._outages = Outages(logger)
        processes.register(self, KeySource._leave_parent)

    def find_current(self, now: float) -> KeySet:
        """The set in force at ``now``. The same object as long as the keys are the same.

        :raises UnavailableError: there is none and the issuer can't be asked.
        """
        keys = self.keys
        if keys is None or not self._is_fresh(now):
            return self._find_expired()
        if now >= self.calm_until:
            self._renew_in_background(now)
        return keys

    def find(self, algorithm: str, kid: str | None) -> tuple[KeySet, Candidates]:
        """The set and its keys that may have signed a token with this header.

        :raises InvalidToken: no key fits, and the issuer was asked recently enough.
        :raises UnavailableError: no key fits and the issuer can't be asked.
        """
        attempts = self._attempts.count
        keys = self.find_current(time.time())
        found = keys.find(algorithm, kid)
        if not found and kid is not None and not keys.has(kid):
            keys = self._look_again(keys, attempts)
            found = keys.find(algorithm, kid)
        if not found:
            raise InvalidToken("unknown_key")
        return keys, found

    def forget(self) -> None:
        """The issuer said that its keys changed: ask before the next use, cool-down or not."""
        with self._lock:
            self._shared.forget()
            self.calm_until = self._fresh_until = self._fetched_at = 0.0
            self._attempts.forget()
            self._forgotten_at = time.time()
            self._failure = None
            self.keys = None

    def _leave_parent(self) -> None:
        """In a child of a fork: a fetch that runs in the parent ends there. Known keys serve on."""
        if self._lock.locked():  # what that fetch has noted is not the whole of it: ask before the next use
            self.calm_until = self._fresh_until = 0.0
            self._attempts.forget()
        self._lock = threading.Lock()
        self._renewing = False

    def _is_fresh(self, now: float) -> bool:
        return self._fetched_at - SKEW <= now < self._fresh_until  # and not from before the clock was set back

    def _find_expired(self) -> KeySet:
        """Nobody may use a set past its life without having asked, lest a withdrawn key lives on."""
        lock = self._lock  # a fork may replace it meanwhile
        if not self._wait_for_turn(lock):
            return self._require(time.time())
        try:
            now = time.time()
            if self.keys is None or not self._is_fresh(now):
                self._refresh(now)
            return self._require(now)
        finally:
            lock.release()

    def _wait_for_turn(self, lock: threading.Lock) -> bool:
        """Take the lock; False where what is known serves on while another thread asks."""
        # Down when it was last asked and just being asked again: one thread waits for that, not all of them.
        if self._failure is not None:
            return lock.acquire(blocking=False)
        if self.keys is None or not self._is_embedded():
            return lock.acquire()
        # A storage that hangs is no reason for all threads to hang.
        return lock.acquire(timeout=max(self._began + _PATIENCE - time.monotonic(), 0.05))

    def _look_again(self, seen: KeySet, attempts: int) -> KeySet:
        """A newer set than ``seen``, if a fetch may be made and gives one; what is known otherwise.

        :param attempts: how many had begun when the token came. One that began later was made for this token, too.
        """
        left = self._began + _PATIENCE - time.monotonic() if self._failure is None else 0
        lock = self._lock  # a fork may replace it meanwhile
        if not lock.acquire(timeout=max(left, 0.05)):
            raise UnavailableError("keys_being_fetched", retry_after=1)
        try:
            now = time.time()
            if self.keys is seen and self._attempts.count == attempts:
                if not self._attempts.is_cooling(now):
                    self._refresh(now)
                elif self._failure is None and not self._attempts.is_spent(now):
                    self._ask_once_more(now)
            if self._failure is not None:
                raise self._failure.repeat()  # nobody can say whether the issuer has such a key
            return self._require(now)
        finally:
            lock.release()

    def _renew_in_background(self, now: float) -> None:
        if self._attempts.is_cooling(now) or not self._lock.acquire(blocking=False):
            return
        under_way, self._renewing = self._renewing, True
        self._lock.release()
        if under_way:
            return
        try:
            threading.Thread(target=self._renew, name="oauthguard-keys", daemon=True).start()
        except RuntimeError:  # no more threads to be had: the set serves on, and who comes later tries again
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
        """Adopt another process's newer set, or fetch one, unless an attempt is cooling down. Holds the lock."""
        self._began = time.monotonic()
        if now < self._fetched_at - SKEW:  # the clock was set back: nobody knows how old the set is
            self._fetched_at = self._fresh_until = self.calm_until = now
        if self._is_embedded():
            self._attempts.cooldown = min(self._attempts.cooldown, EMBEDDED_COOLDOWN_SECONDS)
        if self._adopt(now):
            return
        if self._attempts.is_cooling(now):
            self._stretch(self._attempts.tried_at)  # another process asked in vain a moment ago
            return
        with self._shared.take_turns():
            now = time.time()
            if not self._adopt(now):
                self._attempts.tried_at = now
                self._attempt(now)

    def _ask_once_more(self, now: float) -> None:
        """Make the extra attempt, unless another process has made it in this cool-down. Holds the lock."""
        self._began = time.monotonic()
        if self._adopt(now) or self._attempts.is_spent(now):
            return
        with self._shared.take_turns():
            now = time.time()
            if not self._adopt(now) and not self._attempts.is_spent(now):
                self._attempts.extra_at = now
                self._attempt(now)

    def _attempt(self, now: float) -> None:
        self._attempts.count += 1
        try:
            document = self._fetch()
            check_depth(document.keys)
            keys = build_key_set(document.keys, self._algorithms)
            if not keys:
                text = "the issuer's key set has no key usable here"
                raise UnavailableError("no_usable_keys", text, retry_after=30, lasting=True)
        except UnavailableError as error:
            self._fail(error, now)
        except Exception as error:  # noqa: BLE001  # an issuer of the application's own may raise anything
            self._fail(UnavailableError("keys_failed", type(error).__name__), now)
        else:
            life = self._lifetime if document.max_age is None else min(document.max_age, self._lifetime)
            life = EMBEDDED_LIFE_SECONDS if self._is_embedded() else max(life, self._attempts.cooldown)
            self._share(keys=list(document.keys), fetched_at=now, life=life)
            self._take(keys, fetched_at=now, life=life)

    def _share(self, **found: Any) -> None:
        """Tell the processes that share the cache what was found, if anything, and when the issuer was asked."""
        if not self._is_embedded():
            self._shared.write({**(found or self._shared.read()), **self._attempts.describe()})

    def _fail(self, error: UnavailableError, now: float) -> None:
        self._outages.report(_CAUSE, f"the issuer's keys can't be fetched: {error}", level=logging.WARNING)
        self._failure = error.with_traceback(None)
        if self._is_embedded():
            now = max(now, time.time())  # a storage that hangs takes longer to fail than to cool down
        if isinstance(error, CoolingError):
            # Nobody was asked. A cool-down from now on would come on top of the one that is under way.
            now = min(now, time.time() + error.wait - self._attempts.cooldown)
        self._attempts.tried_at = now
        self._share()
        self._stretch(now)

    def _stretch(self, tried_at: float) -> None:
        """The issuer is down: serve on, and let the next attempts be made in the background.

        Not for longer than two cool-downs at a time, so that after a quiet night the first request asks again.
        """
        if self.keys is not None:
            cooldown = self._attempts.cooldown
            self._fresh_until = min(max(self._fresh_until, tried_at + 2 * cooldown), self._fetched_at + self._max_stale)
            self.calm_until = min(tried_at + cooldown, self._fresh_until)

    def _adopt(self, now: float) -> bool:
        """Take what another process fetched, when it is newer and still fresh; learn when it last tried."""
        entry = {} if self._is_embedded() else self._shared.read()
        fetched_at, life = read_number(entry.get("fetched_at")), read_number(entry.get("life"))
        self._attempts.learn(entry, now)
        if fetched_at is None or life is None:
            return False
        life = min(life, self._lifetime)
        if not max(self._fetched_at, self._forgotten_at) < fetched_at <= now + SKEW or now >= fetched_at + life:
            return False
        keys = build_key_set(entry.get("keys"), self._algorithms)
        if keys:
            self._take(keys, fetched_at=min(fetched_at, now), life=life)
        return bool(keys)

    def _take(self, keys: KeySet, *, fetched_at: float, life: float) -> None:
        if self.keys != keys:  # equal keys keep the object, and with it every token verified by it
            self.keys = keys
        self._failure = None
        self._outages.ended(_CAUSE, "the issuer's keys can be fetched again")
        self._fetched_at = fetched_at
        self.calm_until = fetched_at + life * _REFRESH_AT
        self._fresh_until = fetched_at + life

    def _require(self, now: float) -> KeySet:
        if self.keys is not None and now < self._fetched_at + self._max_stale:
            return self.keys
        raise (self._failure or UnavailableError("no_keys")).repeat()
