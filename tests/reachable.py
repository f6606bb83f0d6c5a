"""What hangs on an application: its objects of a class, and all of its locks."""

from __future__ import annotations

import functools
import threading
import types
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["find_object", "find_objects", "held", "list_locks"]

_LOCKS = (type(threading.Lock()), type(threading.RLock()))
_FUNCTIONS = (types.FunctionType, types.MethodType, functools.partial)
#: Whose objects are looked into.
_OURS = (
    "pyramid_oauthguard",
    "example_app",
    "dogpile",
    "redis",
    "urllib3",
    "sqlalchemy.engine",
    "sqlalchemy.pool",
    "sqlalchemy.util.queue",
    "jinja2.environment",
    "jinja2.utils",
    "pyramid_jinja2",
)


def find_object(registry: Any, wanted: type) -> Any:
    """The one object of this class."""
    (found,) = find_objects(registry, wanted)
    return found


def find_objects(registry: Any, wanted: type) -> list[Any]:
    """All objects of this class."""
    return [each for each in _walk(registry) if type(each) is wanted]


def list_locks(registry: Any) -> dict[str, Any]:
    """The locks by the class and attribute that have them."""
    found: dict[str, Any] = {}
    for owner in _walk(registry):
        for name, value in _list_attributes(owner):
            for lock in value if isinstance(value, tuple | list) else [value]:
                if isinstance(lock, _LOCKS) and not any(lock is other for other in found.values()):
                    found[f"{type(owner).__name__}.{name} {len(found)}"] = lock
    return found


@contextmanager
def held(locks: Iterable[Any]) -> Iterator[None]:
    """Another thread has these locks while the block runs."""
    taken, done = threading.Event(), threading.Event()

    def hold() -> None:
        had = [lock for lock in locks if lock.acquire(timeout=1)]
        taken.set()
        done.wait(60)
        for lock in had:
            lock.release()

    thread = threading.Thread(target=hold)
    thread.start()
    assert taken.wait(30)
    try:
        yield
    finally:
        done.set()
        thread.join()


def _walk(registry: Any) -> Iterator[Any]:
    seen: set[int] = set()
    waiting = [*registry.__dict__.values(), *(each.component for each in registry.registeredUtilities())]
    while waiting:
        each = waiting.pop()
        if id(each) not in seen:
            seen.add(id(each))
            parts = _list_parts(each)
            if parts is not None:
                yield each
                waiting += parts


def _list_parts(each: Any) -> list[Any] | None:
    """What an object consists of; None for what is not looked into."""
    if type(each) is dict:  # an application's registry is one, too, and is not looked into
        return list(each.values())
    if isinstance(each, list | tuple | set | frozenset):
        return list(each)
    if isinstance(each, _FUNCTIONS):
        cells = getattr(each, "__closure__", None) or ()
        parts = [cell.cell_contents for cell in cells if cell != types.CellType()]
        return parts + [getattr(each, name, None) for name in ("__self__", "__func__", "func", "args", "keywords")]
    if not isinstance(each, type) and type(each).__module__.startswith(_OURS):
        return [value for _name, value in _list_attributes(each)]
    return None


def _list_attributes(each: Any) -> list[tuple[str, Any]]:
    slots = [name for kind in type(each).__mro__ for name in kind.__dict__.get("__slots__", ())]
    named = [(name, getattr(each, name, None)) for name in slots if not name.startswith("__")]
    return named + list(getattr(each, "__dict__", {}).items())
