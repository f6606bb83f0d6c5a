"""What a fault is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Fault", "Seen"]


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a project under a fault.

    :ivar ok: whether it is right.
    """

    text: str
    ok: bool


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    :ivar right: what has to be seen, for the table.
    :ivar run: brings it about on a :class:`~.project.Stage`, and tells what was seen.
    """

    name: str
    right: str
    run: Callable[[Any], Seen]
