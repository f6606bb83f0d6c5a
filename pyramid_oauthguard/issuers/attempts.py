"""When the issuer was asked for its keys, and when it may be asked again: once a cool-down, and once more for unknown kids."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..caching import SKEW_SECONDS, read_number

__all__ = ["EMBEDDED_COOLDOWN_SECONDS", "EMBEDDED_LIFE_SECONDS", "Attempts"]

#: For an issuer in this process: another process may change its keys, and to ask costs a short query.
EMBEDDED_LIFE_SECONDS: Final = 1.0
EMBEDDED_COOLDOWN_SECONDS: Final = 0.5
_NEVER: Final = -float("inf")


class Attempts:
    """The attempts of all processes that share a cache, that this process knows of. Times are seconds since the epoch.

    :ivar count: how many this process has begun.
    :ivar cooldown: seconds between two regular attempts, and between two extra ones.
    :ivar tried_at: the last regular attempt, or the last one that failed.
    :ivar extra_at: the last extra attempt.
    """

    def __init__(self, cooldown: float) -> None:
        self.count = 0
        self.cooldown = cooldown
        self.forget()

    def forget(self) -> None:
        """Allow both at once."""
        self.tried_at = self.extra_at = _NEVER

    def is_cooling(self, now: float) -> bool:
        """Whether a regular attempt comes too early. A clock that was set back ends the cool-down."""
        return -SKEW_SECONDS <= now - self.tried_at < self.cooldown

    def is_spent(self, now: float) -> bool:
        """Whether the extra attempt of this cool-down was made."""
        return -SKEW_SECONDS <= now - self.extra_at < self.cooldown

    def learn(self, entry: Mapping[str, Any], now: float) -> None:
        """Take up what another process told, whose clock may be ahead a little; anything odd is passed over."""
        self.tried_at = _find_later(self.tried_at, entry.get("tried_at"), now)
        self.extra_at = _find_later(self.extra_at, entry.get("extra_at"), now)

    def describe(self) -> dict[str, float]:
        """What :meth:`learn` takes up in another process."""
        told = {"tried_at": self.tried_at, "extra_at": self.extra_at}
        return {name: at for name, at in told.items() if at != _NEVER}


def _find_later(known: float, told: object, now: float) -> float:
    number = read_number(told)
    return known if number is None or number > now + SKEW_SECONDS else max(known, min(number, now))
