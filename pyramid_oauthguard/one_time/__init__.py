"""Values that may be used once, such as the ``jti`` of a token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

from ..caching import build_region
from .memory import MemoryUses
from .shared import SharedUses, is_atomic

__all__ = ["MEMORY", "MemoryUses", "SharedUses", "Uses", "build_uses"]

#: The backend that is the memory of one process.
MEMORY: Final = "memory"
_SIZE: Final = "arguments.size"
_MEMORY_ENTRIES: Final = 100_000


class Uses(Protocol):
    """What was used. Safe for threads."""

    def add(self, name: str, until: float) -> bool:
        """Whether ``name`` is used for the first time; of several callers at once, one gets True.

        :param until: seconds since the epoch, until which it is remembered at least.
        :raises UnavailableError: it can't be said now.
        """

    def has(self, name: str) -> bool:
        """Whether it was used before. :raises UnavailableError: it can't be said now."""


def build_uses(options: Mapping[str, Any]) -> Uses:
    """What the options of a store say: ``backend`` (:data:`MEMORY`, or one of dogpile.cache), and ``arguments.*``.

    :raises ValueError: the backend can't add an entry in one step. Backends raise other errors for wrong arguments.
    """
    if options["backend"] == MEMORY:
        return MemoryUses(int(options.get(_SIZE, _MEMORY_ENTRIES)))
    region = build_region("once", options, expiration_time=0, secret="")
    if not is_atomic(region):
        raise ValueError(f"{options['backend']} can't add an entry only if there is none: use dogpile.cache.redis")
    return SharedUses(region)
