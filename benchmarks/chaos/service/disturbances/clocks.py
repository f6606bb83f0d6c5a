"""The clock of both services is set forward and back, by libfaketime."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from ..disturbance import COOLDOWN_SECONDS, Disturbance
from ..system import System

__all__ = ["DISTURBANCES"]

_STEPS: Final = ("+1h", "-1h", "+0")
_STEP_SECONDS: Final = 6
_LIBRARIES: Final = "/usr/$LIB/faketime/libfaketime.so.1"  # the linker knows $LIB


def _move(system: System) -> None:
    file = system.stage.folder / "clock"
    system.world.leniency.clock_moved = True
    _set(file, "+0")
    environ = {
        "LD_PRELOAD": _LIBRARIES,
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    system.restart(environ=environ)
    for step in _STEPS:
        _set(file, step)
        time.sleep(_STEP_SECONDS)


def _set(file: Path, step: str) -> None:
    file.write_text(f"{step}\n")


def _set_right(system: System, _state: object) -> None:
    system.restart()
    system.world.leniency.clock_moved = False


DISTURBANCES = (
    Disturbance(
        "clocks: an hour forward, an hour back", _move, _set_right, seconds=0, limit=COOLDOWN_SECONDS, needs="faketime"
    ),
)
