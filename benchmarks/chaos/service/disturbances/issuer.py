"""An issuer that answers the API slowly, not at all, or with nonsense, while callers reach it directly."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ..disturbance import COOLDOWN_SECONDS, Disturbance
from ..system import System

__all__ = ["DISTURBANCES"]


def _build(name: str, mood: str) -> Disturbance:
    begin: Callable[[System], object] = partial(_set, mood=mood)
    return Disturbance(f"issuer: {name}", begin, _heal, limit=COOLDOWN_SECONDS)


def _set(system: System, mood: str) -> None:
    system.relay.set(mood)


def _heal(system: System, _state: object) -> None:
    system.relay.set("well")


DISTURBANCES = (
    _build("takes 3 s for each answer", "slow"),
    _build("hangs", "hung"),
    _build("answers 500", "broken"),
    _build("answers with bytes that are not JSON", "garbage"),
)
