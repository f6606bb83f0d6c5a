"""A cache outside this process, used so that nothing of it can hurt: not its outage, its slowness nor its contents."""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from dogpile.cache.api import NO_VALUE
from dogpile.cache.proxy import ProxyBackend

from .bounded import BoundedMap

__all__ = ["SteadyBackend", "build_arguments", "check_backend"]

logger = logging.getLogger("pyramid_oauthguard")

#: What these read back they may unpickle, and an entry is only as trustworthy as everybody who can write to the cache.
_UNPICKLING: Final = frozenset({"dogpile.cache.memcached", "dogpile.cache.pylibmc", "dogpile.cache.bmemcached"})
#: Seconds for one exchange with the cache; beyond that this process's own memory is the better cache.
_PATIENCE: Final = 0.5
#: Seconds after a failure in which the cache is left alone.
_PAUSE: Final = 5.0
#: Seconds after which a lock whose holder died opens by itself.
_LOCK_TIMEOUT: Final = 30
#: Entries kept in this process for when the cache is away.
_KEPT: Final = 1_000


def check_backend(backend: str) -> None:
    """ValueError for a backend that runs what it reads."""
    if backend in _UNPICKLING:
        raise ValueError(f"{backend} may unpickle what it reads: use dogpile.cache.pymemcache or dogpile.cache.redis")


def build_arguments(backend: str) -> dict[str, Any]:
    """The arguments of a backend that make it safe and quick to fail; what the deployer sets comes over them."""
    if "memcache" in backend:
        return {"serde": _BytesSerde(), "timeout": _PATIENCE, "connect_timeout": _PATIENCE}
    if "redis" in backend or "valkey" in backend:
        return {
            "socket_timeout": _PATIENCE,
            "socket_connect_timeout": _PATIENCE,
            "lock_timeout": _LOCK_TIMEOUT,
            "lock_blocking_timeout": _LOCK_TIMEOUT,
            "thread_local_lock": False,
        }
    return {}


class SteadyBackend(ProxyBackend):
    """Passes calls on to the shared cache, and goes on from this process's memory where that fails."""

    def __init__(self, name: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._name = name
        self._kept = BoundedMap(_KEPT)
        self._away_until = 0.0
        self._away = False

    def get_serialized(self, key: str) -> Any:
        found: Any = self._try(lambda: self.proxied.get_serialized(key), None)
        if self._away:
            found = self._kept.get(key, NO_VALUE)
        return found if _is_entry(found) else NO_VALUE

    def get_serialized_multi(self, keys: Iterable[str]) -> list[Any]:
        return [self.get_serialized(key) for key in keys]

    def set_serialized(self, key: str, value: bytes) -> None:
        self._kept.set(key, value)
        self._try(lambda: self.proxied.set_serialized(key, value), None)

    def set_serialized_multi(self, mapping: Mapping[str, bytes]) -> None:
        for key, value in mapping.items():
            self.set_serialized(key, value)

    def delete(self, key: str) -> None:
        self._kept.delete(key)
        self._try(lambda: self.proxied.delete(key), None)

    def delete_multi(self, keys: Iterable[str]) -> None:
        for key in keys:
            self.delete(key)

    def get_mutex(self, key: str) -> Any:
        mutex = self._try(lambda: self.proxied.get_mutex(key), None)
        return None if mutex is None else _SteadyMutex(mutex, self._try)

    def _try(self, call: Callable[[], Any], otherwise: Any) -> Any:
        if self._away and time.monotonic() < self._away_until:
            return otherwise
        try:
            result = call()
        except Exception as error:  # noqa: BLE001  # clients of caches raise errors of their own and of their sockets
            self._away_until = time.monotonic() + _PAUSE
            if not self._away:
                self._away = True
                logger.warning(
                    "the shared %s cache is away (%s): using this process's memory", self._name, type(error).__name__
                )
            return otherwise
        if self._away:
            self._away = False
            logger.warning("the shared %s cache is back", self._name)
        return result


class _SteadyMutex:
    """A lock across processes that is no obstacle when nobody keeps it: the work is bounded, done twice at worst."""

    def __init__(self, mutex: Any, attempt: Callable[[Callable[[], Any], Any], Any]) -> None:
        self._mutex = mutex
        self._attempt = attempt
        self._held = threading.local()

    def acquire(self, wait: bool = True) -> bool:
        taken = self._attempt(lambda: self._mutex.acquire(wait), None)
        self._held.taken = bool(taken)
        return taken is not False or wait

    def release(self) -> None:
        if getattr(self._held, "taken", False):
            self._held.taken = False
            with contextlib.suppress(Exception):  # it may have opened by itself, or its keeper be gone
                self._mutex.release()

    def locked(self) -> bool:
        return bool(self._attempt(self._mutex.locked, False))


class _BytesSerde:
    """Memcached's values as the bytes they are."""

    def serialize(self, _key: str, value: bytes) -> tuple[bytes, int]:
        return value, 0

    def deserialize(self, _key: str, value: bytes, _flags: int) -> bytes:
        return value


def _is_entry(value: Any) -> bool:
    """Whether dogpile can read it: JSON metadata of its own, a bar, the payload."""
    if not isinstance(value, bytes):
        return False
    try:
        metadata = json.loads(value.partition(b"|")[0])
    except (ValueError, RecursionError):
        return False
    return isinstance(metadata, dict) and isinstance(metadata.get("ct"), (int, float)) and metadata.get("v") is not None
