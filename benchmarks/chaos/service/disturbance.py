"""What a disturbance is, and what was seen of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from tests.services import find_program

from .record import Counts

__all__ = ["COOLDOWN_SECONDS", "DATABASE_SECONDS", "MOST_LINES", "ROOT", "Disturbance", "Finding"]

#: `oauthguard.keys.cooldown`, the longest pause after a failure of the issuer.
COOLDOWN_SECONDS: Final = 30.0
#: The `Retry-After` of an answer 503 that the database causes.
DATABASE_SECONDS: Final = 6.0
#: In the logs of both services, with two workers each, and of gunicorn. It does not depend on the number of requests.
MOST_LINES: Final = 120
#: The rights of root, to give PostgreSQL a disk of its own.
ROOT: Final = "root"


@dataclass(frozen=True, slots=True)
class Disturbance:
    """Something that happens to a service under load.

    :ivar begin: lets it happen; what it returns is given to ``end``.
    :ivar end: lets it end.
    :ivar seconds: how long it lasts.
    :ivar limit: seconds after the end in which requests may still fail.
    :ivar needs: a program of the machine, or ``ROOT``.
    """

    name: str
    begin: Callable[[Any], Any]
    end: Callable[[Any, Any], object] = lambda _system, _state: None
    seconds: float = 10.0
    limit: float = DATABASE_SECONDS
    needs: str = ""

    def find_lack(self) -> str:
        """What the machine lacks for it; empty if nothing."""
        is_there = os.geteuid() == 0 if self.needs == ROOT else not self.needs or find_program(self.needs)
        return "" if is_there else self.needs


@dataclass(frozen=True, slots=True)
class Finding:
    """What callers saw of one disturbance.

    :ivar recovery: seconds from its end to the last request that failed.
    :ivar lines: what the logs grew by.
    """

    name: str
    counts: Counts
    recovery: float
    lines: int
    limit: float

    @property
    def faults(self) -> list[str]:
        """What was not right, each in a few words."""
        counts = self.counts
        found = {
            f"{len(counts.wrong)} wrong decisions": bool(counts.wrong),
            f"{len(counts.lost)} lost": bool(counts.lost),
            f"{len(counts.ended)} users signed out": bool(counts.ended),
            f"{counts.hung} requests took more than 6 s": bool(counts.hung),
            f"recovery took {self.recovery:.1f} s, {self.limit:.0f} s are allowed": self.recovery > self.limit,
            f"{self.lines} lines in the logs, {MOST_LINES} are allowed": self.lines > MOST_LINES,
            "no caller was answered": counts.answers["200"] == 0,
        }
        return [text for text, is_so in found.items() if is_so]
