"""Locks of the OpenAPI packages, replaced in a child process: a thread of the parent may hold one at the moment of the fork.

Until Python 3.12, ``functools.cached_property`` has a lock for each attribute, shared by all objects of a class.
"""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Iterator
from typing import Any, Final

from pyramid.config import Configurator

from pyramid_oauthguard import processes

__all__: list[str] = []

_PACKAGES: Final = ("openapi_core.", "openapi_schema_validator.", "jsonschema_path.", "pathable.")
_LOCK: Final = type(threading.RLock())
_KEY: Final = "example_app.openapi_locks"


class _Locks:
    """The objects with a lock, and the names of their attributes."""

    def __init__(self) -> None:
        self.holders = list(_find_holders())

    def renew(self) -> None:
        for holder, name in self.holders:
            setattr(holder, name, threading.RLock())


def includeme(config: Configurator) -> None:
    """Find the locks once the packages are imported, and renew them in each child."""
    config.registry[_KEY] = locks = _Locks()
    processes.register(locks, _Locks.renew)


def _find_holders() -> Iterator[tuple[Any, str]]:
    modules = [module for name, module in sys.modules.items() if f"{name}.".startswith(_PACKAGES)]
    values = {id(value): value for module in modules for value in vars(module).values()}
    for value in values.values():
        kind = value if isinstance(value, type) else type(value)
        if f"{kind.__module__}.".startswith(_PACKAGES):
            yield from _list_locks(value)


def _list_locks(value: Any) -> Iterator[tuple[Any, str]]:
    for name, member in getattr(value, "__dict__", {}).items():
        if isinstance(member, _LOCK):
            yield value, name
        elif isinstance(member, functools.cached_property) and hasattr(member, "lock"):
            yield member, "lock"
