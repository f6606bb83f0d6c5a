"""Runs disturbances one after the other on a service under load."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Final

from .callers import Crowd
from .disturbance import Disturbance, Finding
from .system import USERS, System

__all__ = ["run_all"]

_CALM_SECONDS: Final = 3.0
#: So long without a failed request, and the service counts as recovered.
_QUIET_SECONDS: Final = 4.0
_LONGEST_SECONDS: Final = 60.0


def run_all(system: System, disturbances: Sequence[Disturbance]) -> Iterator[Finding]:
    """Yield what was seen of each."""
    with Crowd(system.world, users=USERS):
        time.sleep(2 * _CALM_SECONDS)
        for disturbance in disturbances:
            yield _run(system, disturbance)
            time.sleep(_CALM_SECONDS)


def _run(system: System, disturbance: Disturbance) -> Finding:
    record, lines = system.world.record, system.count_lines()
    record.take()
    state = disturbance.begin(system)
    time.sleep(disturbance.seconds)
    disturbance.end(system, state)
    recovery = _await_quiet(system)
    system.world.check_evidence()
    return Finding(disturbance.name, record.take(), recovery, system.count_lines() - lines, disturbance.limit)


def _await_quiet(system: System) -> float:
    """Seconds from now to the last request that failed."""
    begun = time.monotonic()
    while True:
        time.sleep(0.2)
        now, failed_at = time.monotonic(), system.world.record.find_failure()
        if now - max(failed_at, begun) >= _QUIET_SECONDS or now - begun > _LONGEST_SECONDS:
            return max(0.0, failed_at - begun)
