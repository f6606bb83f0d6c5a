"""The last good value of something that changes sometimes, and how long it may be used."""

from __future__ import annotations

import logging
from typing import Final, Generic, TypeVar

from ..caching import SKEW_SECONDS
from ..errors import UnavailableError
from ..outages import Outages

__all__ = ["LastGood"]

logger = logging.getLogger("pyramid_oauthguard")
#: After this part of its life, a value is renewed in the background. It is used meanwhile.
_REFRESH_AT: Final = 0.8

T = TypeVar("T")


class LastGood(Generic[T]):
    """One value. A thread that changes it holds a lock. A thread that reads ``value`` or ``calm_until`` needs no lock.

    :param name: what it is, in the plural, for logs and reasons.
    :param max_stale: seconds after its fetch that a value may be used while the issuer is down.
    :ivar value: the value last fetched, or None.
    :ivar calm_until: until this time it may be used without further checks.
    """

    def __init__(self, name: str, *, max_stale: float) -> None:
        self._name = name
        self._max_stale = max_stale
        self.value: T | None = None
        self.calm_until = 0.0
        self._fetched_at = 0.0
        self._fresh_until = 0.0
        self._failure: UnavailableError | None = None
        self._outages = Outages(logger)

    def is_fresh(self, now: float) -> bool:
        """Whether it may be used at ``now`` without asking the issuer first."""
        return self._fetched_at - SKEW_SECONDS <= now < self._fresh_until  # and not from before the clock was set back

    @property
    def is_failing(self) -> bool:
        """Whether the last attempt to get a newer value failed."""
        return self._failure is not None

    def find_age(self, now: float) -> float:
        """Seconds since the value was fetched."""
        return max(0.0, now - self._fetched_at)

    def drop(self) -> None:
        """It must not be used any more, even if the issuer is down."""
        self.value = None

    def _take(self, value: T, *, fetched_at: float, life: float) -> None:
        if (
            self.value != value
        ):  # for an equal value, the object stays the same, and the tokens that it verified stay remembered
            self.value = value
        self._failure = None
        self._outages.ended(self._name, f"the issuer's {self._name} can be fetched again")
        self._fetched_at = fetched_at
        self.calm_until = fetched_at + life * _REFRESH_AT
        self._fresh_until = fetched_at + life

    def _note(self, failure: UnavailableError) -> None:
        text = f"the issuer's {self._name} can't be fetched: {failure}"
        self._outages.report(self._name, text, level=logging.WARNING)
        self._failure = failure.with_traceback(None)

    def _serve(self, now: float) -> T:
        if self.value is not None and now < self._fetched_at + self._max_stale:
            return self.value
        raise (self._failure or UnavailableError(f"no_{self._name}")).repeat()

    def _stretch(self, tried_at: float, cooldown: float) -> None:
        """The issuer is down: use the value further, and make the next attempts in the background.

        Not for longer than two cool-downs at a time, so that the first request after a long pause asks again.
        """
        if self.value is not None:
            self._fresh_until = min(max(self._fresh_until, tried_at + 2 * cooldown), self._fetched_at + self._max_stale)
            self.calm_until = min(tried_at + cooldown, self._fresh_until)
