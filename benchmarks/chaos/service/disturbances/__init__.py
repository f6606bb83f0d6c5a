"""All disturbances in their order, one module for each thing that is disturbed."""

from __future__ import annotations

from ..disturbance import Disturbance
from . import clocks, database, issuer, keys, processes, redis

__all__ = ["DISTURBANCES"]

DISTURBANCES: tuple[Disturbance, ...] = tuple(
    disturbance for module in (processes, database, redis, issuer, keys, clocks) for disturbance in module.DISTURBANCES
)
