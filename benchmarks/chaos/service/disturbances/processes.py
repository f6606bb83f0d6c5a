"""Processes that are killed, ended and loaded anew."""

from __future__ import annotations

import signal

from ..disturbance import COOLDOWN_SECONDS, Disturbance
from ..system import System

__all__ = ["DISTURBANCES"]


def _kill_workers(system: System) -> None:
    system.kill_workers()


def _terminate(system: System) -> None:
    system.stop()


def _reload(system: System) -> None:
    system.signal(signal.SIGHUP)


def _start_again(system: System, _state: object) -> None:
    system.start()


#: An API that starts before its issuer asks it again after a cool-down.
DISTURBANCES = (
    Disturbance("processes: a worker of each is killed", _kill_workers),
    Disturbance("processes: SIGHUP", _reload),
    Disturbance("processes: SIGTERM, and another start", _terminate, _start_again, seconds=2, limit=COOLDOWN_SECONDS),
)
