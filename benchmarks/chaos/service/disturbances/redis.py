"""A Redis that goes, forgets, or takes nothing more. It has the caches of the API and the counts of the server's limits."""

from __future__ import annotations

from typing import Final

from ..disturbance import Disturbance
from ..system import System

__all__ = ["DISTURBANCES"]

_EMPTYINGS: Final = 5


def _kill(system: System) -> None:
    system.redis.kill()


def _start(system: System, _state: object) -> None:
    system.redis.start()


def _freeze(system: System) -> None:
    system.redis.freeze()


def _thaw(system: System, _state: object) -> None:
    system.redis.thaw()


def _empty(system: System) -> None:
    for _ in range(_EMPTYINGS):
        system.redis.client.flushall()


def _refuse_writes(system: System) -> None:
    system.redis.client.execute_command("REPLICAOF", "127.0.0.1", "1")


def _allow_writes(system: System, _state: object) -> None:
    system.redis.client.execute_command("REPLICAOF", "NO", "ONE")


def _fill(system: System) -> None:
    system.redis.client.config_set("maxmemory", "1")


def _free(system: System, _state: object) -> None:
    system.redis.client.config_set("maxmemory", "0")


DISTURBANCES = (
    Disturbance("redis: killed", _kill, _start),
    Disturbance("redis: frozen", _freeze, _thaw),
    Disturbance("redis: emptied", _empty, seconds=5),
    Disturbance("redis: read-only", _refuse_writes, _allow_writes),
    Disturbance("redis: out of memory", _fill, _free),
)
