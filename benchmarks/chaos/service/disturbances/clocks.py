"""The clock of both services is set forward and back."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from ..disturbance import COOLDOWN_SECONDS, Disturbance
from ..system import System

__all__ = ["DISTURBANCES"]

_STEPS_SECONDS: Final = (3600, -3600, 0)
_STEP_SECONDS: Final = 6


def _move(system: System) -> None:
    file = system.stage.folder / "clock"
    _set(file, 0)
    system.restart(environ={"CHAOS_CLOCK": str(file)})
    system.world.leniency.clock_moved = True
    for step in _STEPS_SECONDS:
        _set(file, step)
        time.sleep(_STEP_SECONDS)


def _set(file: Path, step: int) -> None:
    """In one step: the services read it all the time."""
    new = file.with_suffix(".new")
    new.write_text(str(step))
    new.replace(file)


def _set_right(system: System, _state: object) -> None:
    system.restart()
    system.world.alive.clear()  # by the right clock, what the wrong one issued may have expired
    system.world.leniency.clock_moved = False


DISTURBANCES = (
    Disturbance("clocks: an hour forward, an hour back", _move, _set_right, seconds=0, limit=COOLDOWN_SECONDS),
)
