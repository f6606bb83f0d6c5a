"""A cache outside this process. Its outages, its slow answers and forged entries do no harm to this process."""

from __future__ import annotations

import contextlib
import hmac
import importlib
import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from dogpile.cache.api import NO_VALUE
from dogpile.cache.proxy import ProxyBackend

from .bounded import BoundedMap
from .outages import Outages, name_cause
from .telemetry.counting import note

__all__ = ["SteadyBackend", "build_arguments", "check_backend", "check_class", "store_value"]

logger = logging.getLogger("pyramid_oauthguard")

#: Backends that may unpickle what they read. Any program that can write to the cache could then run code here.
_UNPICKLING: Final = frozenset({"dogpile.cache.memcached", "dogpile.cache.pylibmc", "dogpile.cache.bmemcached"})
#: The base class of all these backends. An application can register a backend under another name.
_MEMCACHED: Final = ("dogpile.cache.backends.memcached", "GenericMemcachedBackend")
#: The longest time for one exchange with the cache. After that, the memory of this process is used.
_EXCHANGE_SECONDS: Final = 0.5
#: The cache is not used for this time after a failure.
_PAUSE_SECONDS: Final = 5.0
#: A lock is released after this time, for example if its holder died.
_LOCK_LIFE_SECONDS: Final = 30
#: The longest time that a caller waits for a lock.
_LOCK_WAIT_SECONDS: Final = 5
_EXPIRATION: Final = ("redis_expiration_time", "valkey_expiration_time")
#: Memcached reads a larger number as a date.
_LONGEST_MEMCACHED_SECONDS: Final = 2_592_000
#: Entries that are also kept in this process, for outages of the cache.
_MOST_KEPT_ENTRIES: Final = 1_000
#: Separates a seal from its value. Dogpile separates its metadata from the payload by the same byte.
_BAR: Final = b"|"
_FAILED: Final = object()
_READS: Final = "reads"
_WRITES: Final = "writes"
_LOCKS: Final = "locks"


def check_backend(backend: str) -> None:
    """Check the name of a backend. :raises ValueError: the backend may unpickle what it reads."""
    if backend in _UNPICKLING:
        raise ValueError(f"{backend} may unpickle what it reads: use dogpile.cache.pymemcache or dogpile.cache.redis")


def check_class(backend: object) -> None:
    """Check the class of a backend, for any registered name. :raises ValueError: it may unpickle what it reads."""
    bases = {(base.__module__, base.__name__) for base in type(backend).__mro__}
    if _MEMCACHED in bases and not isinstance(getattr(backend, "serde", None), _BytesSerde):
        raise ValueError(
            f"{type(backend).__name__} may unpickle what it reads: use dogpile.cache.pymemcache by that name, without "
            "arguments.serde, or dogpile.cache.redis"
        )


def build_arguments(backend: str, lifetime: float) -> dict[str, Any]:
    """The default arguments of a backend: it unpickles nothing and fails quickly. The settings may replace each of them.

    :param lifetime: seconds for which entries are used. The cache may drop them some time later.
    """
    expire = int(2 * max(lifetime, 60))
    if "memcache" in backend:
        return {
            "serde": _BytesSerde(),
            "timeout": _EXCHANGE_SECONDS,
            "connect_timeout": _EXCHANGE_SECONDS,
            "memcached_expire_time": min(expire, _LONGEST_MEMCACHED_SECONDS),
        }
    for package in ("redis", "valkey"):
        if package in backend:
            return {
                "connection_kwargs": {"retry": _build_retry(package)},
                "socket_timeout": _EXCHANGE_SECONDS,
                "socket_connect_timeout": _EXCHANGE_SECONDS,
                "distributed_lock": True,
                "lock_timeout": _LOCK_LIFE_SECONDS,
                "lock_blocking_timeout": _LOCK_WAIT_SECONDS,
                "thread_local_lock": False,
                f"{package}_expiration_time": expire,
            }
    return {}


def _build_retry(package: str) -> Any:
    """Retry once, without a delay, if a pooled connection was closed. By default, these clients wait for seconds."""
    retry = importlib.import_module(f"{package}.retry")
    backoff, exceptions = (
        importlib.import_module(f"{package}.backoff"),
        importlib.import_module(f"{package}.exceptions"),
    )
    return retry.Retry(backoff.NoBackoff(), 1, supported_errors=(exceptions.ConnectionError,))


def store_value(backend: Any, key: str, value: bytes) -> None:
    """Write to dogpile's backend."""
    expire = next((vars(backend)[name] for name in _EXPIRATION if vars(backend).get(name)), None)
    if expire is None:
        backend.set_serialized(key, value)
    else:
        backend.writer_client.set(key, value, ex=expire)  # dogpile uses SETEX, which redis-py has deprecated


class SteadyBackend(ProxyBackend):
    """Passes calls on to the shared cache, and uses the memory of this process while the cache fails.

    :param name: what it caches, for the log.
    :param seal: ``seal(key, value)`` computes the seal of a value. A value with a wrong seal counts as absent.
    """

    def __init__(self, name: str, seal: Callable[[str, bytes], bytes]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._name = name
        self._cache = f"the shared {name} cache"
        self._seal = seal
        self._kept = BoundedMap(_MOST_KEPT_ENTRIES)
        self._lock = threading.Lock()
        self._away = False
        self._away_until = 0.0
        self._outages = Outages(logger)

    def get_serialized(self, key: str) -> Any:
        found = self._try(_READS, lambda: self.proxied.get_serialized(key))
        return self._kept.get(key, NO_VALUE) if found is _FAILED else self._open(key, found)

    def get_serialized_multi(self, keys: Iterable[str]) -> list[Any]:
        return [self.get_serialized(key) for key in keys]

    def set_serialized(self, key: str, value: bytes) -> None:
        self._kept.set(key, value)
        self._try(_WRITES, lambda: store_value(self.proxied, key, self._seal(key, value) + _BAR + value))

    def set_serialized_multi(self, mapping: Mapping[str, bytes]) -> None:
        for key, value in mapping.items():
            self.set_serialized(key, value)

    def delete(self, key: str) -> None:
        self._kept.delete(key)
        self._try(_WRITES, lambda: self.proxied.delete(key))

    def delete_multi(self, keys: Iterable[str]) -> None:
        for key in keys:
            self.delete(key)

    def get_mutex(self, key: str) -> Any:
        mutex = self._try(_LOCKS, lambda: self.proxied.get_mutex(key))
        return None if mutex is None or mutex is _FAILED else _SteadyMutex(mutex, self._try)

    def _open(self, key: str, found: Any) -> Any:
        if not isinstance(found, bytes):
            return NO_VALUE
        seal, _bar, value = found.partition(_BAR)
        if not hmac.compare_digest(seal, self._seal(key, value)):
            return NO_VALUE
        return value if _is_entry(value) else NO_VALUE

    def _try(self, what: str, call: Callable[[], Any]) -> Any:
        if self._away:
            with self._lock:
                if time.monotonic() < self._away_until:
                    return _FAILED
                self._away_until = time.monotonic() + _PAUSE_SECONDS  # this thread tries; the others do not wait for it
        try:
            result = call()
        except Exception as error:  # noqa: BLE001  # cache clients may raise any error
            self._note(what, error)
            return _FAILED
        self._away = False
        self._outages.ended(self._cache, f"{self._cache} is back")
        if what == _READS:
            self._outages.settle(
                f"{self._cache}: {what}"
            )  # Redis may refuse to read one entry, of another type, and read others
        else:
            self._outages.ended(f"{self._cache}: {what}", f"{self._cache} accepts {what} again")
        return result

    def _note(self, what: str, error: Exception) -> None:
        """Log a failure at the start of an outage, not for each request. The text of the error is left out, since it may
        contain entries of the cache.
        """
        refused = any(base.__name__ == "ResponseError" for base in type(error).__mro__)
        if not refused:
            with self._lock:
                self._away, self._away_until = True, time.monotonic() + _PAUSE_SECONDS
        # A cache that refuses a command is reachable: the entry has another type, or it is a replica without writes.
        cause, state = (f"{self._cache}: {what}", "refusing") if refused else (self._cache, "away")
        text = f"{self._cache} is {state} ({name_cause(error)}): using this process's memory"
        self._outages.report(cause, text, level=logging.WARNING)
        note("cache_failures", self._name, what)


class _SteadyMutex:
    """A lock across processes. If the cache fails, callers work without it; the work may then be done twice."""

    def __init__(self, mutex: Any, attempt: Callable[[str, Callable[[], Any]], Any]) -> None:
        self._mutex = mutex
        self._attempt = attempt
        self._held = threading.local()

    def acquire(self, wait: bool = True) -> bool:
        taken = self._attempt(_LOCKS, lambda: self._mutex.acquire(wait))
        self._held.taken = taken is not _FAILED and bool(taken)
        return self._held.taken or taken is _FAILED or wait

    def release(self) -> None:
        if getattr(self._held, "taken", False):
            self._held.taken = False
            with contextlib.suppress(Exception):  # the lock may have expired, or the cache may be away
                self._mutex.release()

    def locked(self) -> bool:
        return self._attempt(_LOCKS, self._mutex.locked) is True


class _BytesSerde:
    """Stores values in Memcached as unchanged bytes."""

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
