"""What callers saw of a service during one disturbance, and whether it was right."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from ..asking import Answer

__all__ = ["HUNG_SECONDS", "UNAVAILABLE", "Counts", "Leniency", "Record"]

HUNG_SECONDS: Final = 6.0
#: No answer, and the answer of a service that cannot decide now. Neither is a decision.
UNAVAILABLE: Final = frozenset({0, 503})


@dataclass
class Counts:
    """The observations of one disturbance.

    :ivar failed_at: when a request was last answered with one of ``UNAVAILABLE``, by the monotonic clock.
    """

    answers: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    slowest: float = 0.0
    hung: int = 0
    failed_at: float = 0.0

    @property
    def asked(self) -> int:
        return self.answers.total()

    @property
    def unavailable(self) -> int:
        return self.answers["0"] + self.answers["503"]


@dataclass
class Leniency:
    """Refusals of good tokens that a disturbance itself explains.

    :ivar clock_moved: by the clock of the service, tokens are expired or not yet valid.
    :ivar revoked_keys: the key ids that an operator has revoked, with the time of the monotonic clock.
    """

    clock_moved: bool = False
    revoked_keys: dict[str, float] = field(default_factory=dict)


class Record:
    """Takes what callers saw. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = Counts()

    def note(self, answer: Answer) -> None:
        """Count an answer, right or wrong."""
        with self._lock:
            self._counts.answers[str(answer.status)] += 1
            self._counts.slowest = max(self._counts.slowest, answer.seconds)
            self._counts.hung += answer.seconds > HUNG_SECONDS
            if answer.status in UNAVAILABLE:
                self._counts.failed_at = time.monotonic()

    def accuse(self, what: str) -> None:
        """A decision was wrong."""
        with self._lock:
            self._counts.wrong.append(what)

    def lose(self, what: str) -> None:
        """Something that was confirmed is not stored."""
        with self._lock:
            self._counts.lost.append(what)

    def end(self, what: str) -> None:
        """A user was signed out without a reason."""
        with self._lock:
            self._counts.ended.append(what)

    def find_failure(self) -> float:
        """When a request last failed."""
        with self._lock:
            return self._counts.failed_at

    def take(self) -> Counts:
        """Return what was seen since the last call, and begin anew."""
        with self._lock:
            found, self._counts = self._counts, Counts()
        return found
