"""Signing keys that are replaced, and revoked, while tokens are issued and used."""

from __future__ import annotations

import json
import time

from ..disturbance import Disturbance
from ..system import System

__all__ = ["DISTURBANCES"]


def _rotate(system: System) -> None:
    system.command("key", "rotate")


def _revoke(system: System) -> None:
    listed = json.loads(system.command("key", "list", "--format", "json"))
    kid = next(row["kid"] for row in listed if row["state"] == "signing")
    # From now on, a refusal is right. That an acceptance is wrong counts from the end of the command.
    system.world.leniency.revoked_keys[kid] = float("inf")
    system.command("key", "revoke", kid)
    system.world.leniency.revoked_keys[kid] = time.monotonic()


DISTURBANCES = (
    Disturbance("keys: the next one is made, and signs after its lead", _rotate, seconds=70),
    Disturbance("keys: the one that signs is revoked", _revoke, seconds=50),
)
