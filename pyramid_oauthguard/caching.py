"""Caches: dogpile.cache regions configured from the ini, holding JSON under keyed hashes, bounded by default."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import hmac
import json
import logging
import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from dogpile.cache import CacheRegion, make_region, register_backend
from dogpile.cache.api import NO_VALUE, CacheBackend, CantDeserializeException
from dogpile.util import NameRegistry

from . import processes
from .bounded import BoundedMap
from .outages import name_cause
from .shared_cache import SteadyBackend, build_arguments, check_backend, check_class, store_value
from .strict_json import check_text_depth

__all__ = [
    "SKEW_SECONDS",
    "BoundedBackend",
    "build_key_mangler",
    "build_region",
    "build_seal",
    "is_shared",
    "probe_cache",
    "read_number",
]

logger = logging.getLogger("pyramid_oauthguard")

BOUNDED: Final = "pyramid_oauthguard.bounded"
_MAX_NUMBER: Final = 2.0**53
#: How far the clock of another host may be ahead, or how far our own clock may be set back.
SKEW_SECONDS: Final = 5.0
_FILE: Final = "dogpile.cache.dbm"
_IN_PROCESS: Final = frozenset({BOUNDED, "dogpile.cache.memory", "dogpile.cache.null"})
_MEMORIES: Final = frozenset({"dogpile.cache.memory", "dogpile.cache.memory_pickle"})
#: Backends that no other process can write to. All others count as shared, also unknown ones.
_PRIVATE: Final = _IN_PROCESS | _MEMORIES


class BoundedBackend(CacheBackend):
    """A dogpile backend in this process's memory that holds at most ``arguments.size`` entries (10,000).

    dogpile's own memory backend never drops anything, which lets a flood of tokens fill the memory.
    """

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        self._map = BoundedMap(int(arguments.get("size", 10_000)), name=str(arguments.get("name", "")))

    def get(self, key: str) -> Any:
        return self._map.get(key, NO_VALUE)

    def get_multi(self, keys: Iterable[str]) -> list[Any]:
        return [self.get(key) for key in keys]

    def set(self, key: str, value: Any) -> None:
        self._map.set(key, value)

    def set_multi(self, mapping: Mapping[str, Any]) -> None:
        for key, value in mapping.items():
            self.set(key, value)

    def delete(self, key: str) -> None:
        self._map.delete(key)

    def delete_multi(self, keys: Iterable[str]) -> None:
        for key in keys:
            self.delete(key)


register_backend(BOUNDED, __name__, "BoundedBackend")  # type: ignore[no-untyped-call]


def build_key_mangler(secret: str) -> Callable[[str], str]:
    """A function that hashes keys with HMAC-SHA256: a reader of a shared cache can neither recognise nor look up a token.

    All processes that share a cache use the same secret. Without a secret, any program can compute the hash.
    """
    key = hashlib.sha256(b"pyramid_oauthguard cache key\0" + secret.encode()).digest()

    def mangle(text: str) -> str:
        # The key may contain a member of an issuer's answer, and JSON can contain half of a surrogate pair.
        return "oauthguard:" + hmac.digest(key, text.encode("utf-8", "surrogatepass"), "sha256").hex()

    return mangle


def build_seal(secret: str) -> Callable[[str, bytes], bytes]:
    """A function that computes the seal (an HMAC) of a key and its value.

    With a secret, a program that can write to a shared cache can't make an entry that is accepted. Without a secret, the seal
    detects damaged entries only.
    """
    key = hashlib.sha256(b"pyramid_oauthguard cache seal\0" + secret.encode()).digest()

    def seal(name: str, value: bytes) -> bytes:
        return hmac.digest(key, name.encode() + b"\0" + value, "sha256").hex().encode()

    return seal


def is_shared(options: Mapping[str, Any]) -> bool:
    """Whether a region with these options keeps its entries outside this process, where other programs may write.

    dogpile's memory backends keep them in any mapping that they are given, such as one of a multiprocessing manager or a file.
    """
    backend = options.get("backend", BOUNDED)
    kept_elsewhere = backend in _MEMORIES and not isinstance(options.get("arguments.cache_dict", {}), dict)
    return kept_elsewhere or backend not in _PRIVATE


def build_region(
    name: str,
    options: Mapping[str, Any],
    *,
    expiration_time: float,
    secret: str | Callable[[], str],
    namespace: str = "",
) -> CacheRegion:
    """A region from the keys below one ini prefix: ``backend``, ``expiration_time``, ``arguments.*``.

    Values that leave the process are sealed JSON. Dogpile's default is pickle, with which a program that can write to the
    shared cache could run code here.

    :param expiration_time: in seconds, 0 for none.
    :param secret: a value that only the processes that share the cache know; or a callable that returns it,
        which is called at the first use of a region outside this process.
    :param namespace: whose entries they are. Regions in this process may be given one dictionary for all.
    :raises ValueError: the backend unpickles what it reads. Backends raise other errors for wrong arguments.
    """
    backend = options.get("backend", BOUNDED)
    check_backend(backend)
    shared = is_shared(options)
    in_process = backend in _IN_PROCESS and not shared
    if not shared:
        secret = namespace  # the memory of this process needs no seal
    region = make_region(
        name=f"oauthguard.{name}",
        key_mangler=build_key_mangler(secret) if isinstance(secret, str) else _defer(build_key_mangler, secret),
        serializer=None if in_process else _as_json,
        deserializer=None if in_process else _from_json,
    )
    if in_process:
        _configure(region, options, backend, expiration_time=expiration_time)
        processes.register(region, _renew_mutexes)
        return region
    seal = build_seal(secret) if isinstance(secret, str) else _defer(build_seal, secret)

    def share(region: CacheRegion) -> None:
        _configure(region, options, backend, expiration_time=expiration_time)
        check_class(region.actual_backend)
        region.wrap(SteadyBackend(name, seal))

    share(region)
    processes.register(region, lambda region: _renew_shared(region, share))
    return region


def probe_cache(options: Mapping[str, Any]) -> str | None:
    """Write to the cache with these options and read from it. The failure, or None if it works.

    The failure is the class and the code of the error. It contains no option, since a URL may contain a password.
    """
    backend: Any = None
    try:
        backend = build_region("probe", options, expiration_time=60, secret="").actual_backend
        key = build_key_mangler(secrets.token_hex(16))("probe")
        store_value(backend, key, b"probe")
        found = backend.get_serialized(key)
        backend.delete(key)
    except Exception as error:  # noqa: BLE001  # backends raise what they like
        return name_cause(error)
    finally:
        for name in ("writer_client", "reader_client"):
            with contextlib.suppress(Exception):  # the backend has no such client, or the client can't be closed
                getattr(backend, name).close()
    return None if found == b"probe" else "the written value could not be read again"


def _configure(region: CacheRegion, options: Mapping[str, Any], backend: str, *, expiration_time: float) -> None:
    name = str(region.name).rpartition(".")[2]
    own = {"cache.arguments.name": name} if backend == BOUNDED else {}
    defaults = {**build_arguments(backend, expiration_time), **_build_file_arguments(backend, options, name)}
    config = {f"cache.arguments.{key}": value for key, value in defaults.items()}
    config |= {f"cache.{key}": value for key, value in options.items() if key != "expiration_time"}
    config |= {"cache.backend": backend, "cache.expiration_time": int(expiration_time) or -1}
    region.configure_from_config({**config, **own, "cache.replace_existing_backend": True}, "cache.")


def _build_file_arguments(backend: str, options: Mapping[str, Any], name: str) -> dict[str, str]:
    """A lock for each cache of one file. Keys are fetched under the lock of their cache, and need the metadata on the way: with one
    lock for the whole file, as dogpile has it, the thread would wait for itself."""
    file = options.get("arguments.filename")
    return {"dogpile_lockfile": f"{file}.{name}.dogpile.lock"} if backend == _FILE and isinstance(file, str) else {}


def _renew_mutexes(region: CacheRegion) -> None:
    """Replace the locks in a forked child, since a thread of the parent may hold them. The entries stay."""
    region._lock_registry = NameRegistry(region._create_mutex)


def _renew_shared(region: CacheRegion, share: Callable[[CacheRegion], None]) -> None:
    """Give a forked child a new cache client with its own connections and locks."""
    processes.abandon(region.backend)
    region._actual_backend = None  # dogpile keeps the backend here that is below the proxies
    try:
        share(region)
    except Exception as error:  # noqa: BLE001  # dogpile and its backends may raise any error
        logger.error("%s is used without its shared cache after a fork: %s", region.name, type(error).__name__)
        region.configure(BOUNDED, replace_existing_backend=True)


def read_number(value: object) -> float | None:
    """A number from a cache that other programs can write to. None for a bool, NaN or a number too large for a float."""
    fits = isinstance(value, (int, float)) and not isinstance(value, bool) and -_MAX_NUMBER < value < _MAX_NUMBER
    return value if fits else None  # type: ignore[return-value]


def _defer(build: Callable[[str], Callable[..., Any]], find_secret: Callable[[], str]) -> Callable[..., Any]:
    """A function that calls ``build`` with the secret at its first call, and then calls the result each time."""
    find = functools.cache(lambda: build(find_secret()))

    def call(*arguments: Any) -> Any:
        return find()(*arguments)

    return call


def _as_json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _from_json(data: bytes) -> Any:
    try:
        text = data.decode("utf-8")
        check_text_depth(text)
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CantDeserializeException from error
    return value
