"""What the packages of the distribution, and an application, tell about their health."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = ["DEGRADED", "FAILED", "OK", "Probe", "Reading", "is_sound", "name_reason"]

OK: Final = "ok"
#: It works, with less than usual: such as without a shared cache.
DEGRADED: Final = "degraded"
#: Requests are refused because of it.
FAILED: Final = "failed"

_is_word = re.compile(r"[a-z][a-z_]{0,39}").fullmatch


@dataclass(frozen=True, slots=True)
class Reading:
    """What a probe found.

    :ivar level: ``"ok"``, ``"degraded"`` or ``"failed"``.
    :ivar reason: a fixed word. Never a part of an answer, an address or a text of an error.
    :ivar facts: numbers, such as the age of the keys in seconds.
    """

    level: str
    reason: str = ""
    facts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Probe:
    """One thing that is looked at.

    :ivar name: of the thing; words of the code and names in the settings only.
    :ivar look: returns a :class:`Reading`, or raises :class:`~pyramid_oauthguard.UnavailableError`, which counts as failed. It is
        called in a thread of its own, at most every five seconds, and may take as long as it likes.
    """

    name: str
    look: Callable[[], Reading]


def is_sound(reading: object) -> bool:
    """Whether a probe has returned what can be shown: an application's own may return anything."""
    if not isinstance(reading, Reading):
        return False
    found: Any = reading  # its members are not checked when it is made
    facts = found.facts.items()
    return (
        found.level in (OK, DEGRADED, FAILED)
        and isinstance(found.reason, str)
        and all(isinstance(name, str) and _is_number(value) for name, value in facts)
    )


def name_reason(reason: object) -> str:
    """A reason as it may be shown: an application's own verifier or store may have put any text into its error."""
    return reason if isinstance(reason, str) and _is_word(reason) else "other"


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)
