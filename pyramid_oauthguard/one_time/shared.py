"""What was used, in a store that all processes share: Redis or Valkey, through dogpile's backend."""

from __future__ import annotations

import logging
import math
import secrets
import time
from collections.abc import Callable
from typing import Any, Final

from dogpile.cache import CacheRegion

from .. import processes
from ..caching import SKEW_SECONDS
from ..circuit import Circuit
from ..errors import UnavailableError
from ..outages import Outages, name_cause

__all__ = ["SharedUses", "is_atomic"]

logger = logging.getLogger("pyramid_oauthguard")

#: The store is not asked for this time after it failed three times in a row.
_PAUSE_SECONDS: Final = 5.0


def is_atomic(region: CacheRegion) -> bool:
    """Whether the store of a region can add an entry only if there is none (``SET NX``)."""
    return hasattr(region.actual_backend, "writer_client")


class SharedUses:
    """Names in a store outside this process. If the store does not answer, nothing counts as unused.

    NOT covered: a store that drops entries that have not expired, because its memory is full, or because it starts empty.

    :param region: its backend has Redis's or Valkey's client. Not used as a cache: an answer out of memory would be no answer.
    """

    def __init__(self, region: CacheRegion) -> None:
        self._region = region
        self._mangle: Callable[[str], str] = region.key_mangler or str
        self._circuit = Circuit(_PAUSE_SECONDS, name="the store of what was used", outages=Outages(logger))

    def add(self, name: str, until: float) -> bool:
        """See :class:`..one_time.Uses`."""
        key, mine = self._mangle(name), secrets.token_hex(16)
        # The clocks of two hosts differ: on the other one, the token may live longer.
        milliseconds = math.ceil((max(until - time.time(), 0) + SKEW_SECONDS) * 1000)

        def take(client: Any) -> bool:
            if client.set(key, mine, nx=True, px=milliseconds):
                return True
            # The client sends it again if a kept connection was closed: the entry may be ours.
            return client.get(key) in (mine, mine.encode())

        return self._ask(take)

    def has(self, name: str) -> bool:
        """See :class:`..one_time.Uses`."""
        key = self._mangle(name)
        return self._ask(lambda client: client.get(key) is not None)

    def _ask(self, question: Callable[[Any], bool]) -> bool:
        processes.renew_if_forked()
        self._circuit.check()
        try:
            answer = question(self._region.actual_backend.writer_client)
        except Exception as error:  # noqa: BLE001  # cache clients may raise any error
            cause = name_cause(error)  # its text may contain the address with the password
            self._circuit.fail(cause)
            raise UnavailableError("once_store_down", f"the store of oauthguard.once.* failed: {cause}") from None
        self._circuit.succeed()
        return answer
