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
    "SKEW",
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
#: Seconds by which another host's clock, or ours of a while ago, may be ahead.
SKEW: Final = 5.0
_IN_PROCESS: Final = frozenset({BOUNDED, "dogpile.cache.memory", "dogpile.cache.null"})
_MEMORIES: Final = frozenset({"dogpile.cache.memory", "dogpile.cache.memory_pickle"})
#: Backends that no other process can write to. Any other may be shared, also one that this package does not know.
_PRIVATE: Final = _IN_PROCESS | _MEMORIES


class BoundedBackend(CacheBackend):
    """A dogpile backend in this process's memory that holds at most ``arguments.size`` entries (10,000).

    dogpile's own memory backend never drops anything, which lets a flood of tokens fill the memory.
    """

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        self._map = BoundedMap(int(arguments.get("size", 10_000)))

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
    """Keys as HMAC-SHA256: whoever can read a shared cache can neither recognise nor look up a token.

    All processes that share a cache share the secret; without one the hash is only domain-separated.
    """
    key = hashlib.sha256(b"pyramid_oauthguard cache key\0" + secret.encode()).digest()

    def mangle(text: str) -> str:
        # JSON can hold half of a surrogate pair, and an issuer may answer with one in a member that is part of a key.
        return "oauthguard:" + hmac.digest(key, text.encode("utf-8", "surrogatepass"), "sha256").hex()

    return mangle


def build_seal(secret: str) -> Callable[[str, bytes], bytes]:
    """What vouches for a value under its key: whoever can write to a shared cache can't make either say what he likes.

    Only with a secret: without one the seal tells what is damaged from what is whole, and no more.
    """
    key = hashlib.sha256(b"pyramid_oauthguard cache seal\0" + secret.encode()).digest()

    def seal(name: str, value: bytes) -> bytes:
        return hmac.digest(key, name.encode() + b"\0" + value, "sha256").hex().encode()

    return seal


def is_shared(options: Mapping[str, Any]) -> bool:
    """Whether a region with these options keeps its entries outside of this process, where others may write.

    dogpile's memory backends keep them in any mapping that they are given, such as one of a multiprocessing manager or a file.
    """
    backend = options.get("backend", BOUNDED)
    kept_elsewhere = backend in _MEMORIES and not isinstance(options.get("arguments.cache_dict", {}), dict)
    return kept_elsewhere or backend not in _PRIVATE


def build_region(
    name: str, options: Mapping[str, Any], *, expiration_time: float, secret: str | Callable[[], str]
) -> CacheRegion:
    """A region out of the keys below one ini prefix: ``backend``, ``expiration_time``, ``arguments.*``.

    Values are sealed JSON wherever they leave the process: dogpile's default is pickle, and whoever can write to a
    shared cache could run code here.

    :param expiration_time: in seconds, 0 for none.
    :param secret: what all processes that share the cache know and nobody else does; or a callable that returns it,
        which is called at the first use of a region outside this process.
    :raises ValueError: the backend runs what it reads. Backends raise errors of their own for their arguments.
    """
    backend = options.get("backend", BOUNDED)
    check_backend(backend)
    shared = is_shared(options)
    in_process = backend in _IN_PROCESS and not shared
    if not shared:
        secret = ""  # the memory of this process needs none
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
    """What goes wrong when a cache with these options is written to and read from, now; None where nothing does.

    The class and the code of the error, never a part of the options: a URL may hold a password.
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
            with contextlib.suppress(Exception):  # it has none, or can't close it
                getattr(backend, name).close()
    return None if found == b"probe" else "what was written is not there"


def _configure(region: CacheRegion, options: Mapping[str, Any], backend: str, *, expiration_time: float) -> None:
    config = {f"cache.arguments.{key}": value for key, value in build_arguments(backend, expiration_time).items()}
    config |= {f"cache.{key}": value for key, value in options.items() if key != "expiration_time"}
    config |= {"cache.backend": backend, "cache.expiration_time": int(expiration_time) or -1}
    region.configure_from_config({**config, "cache.replace_existing_backend": True}, "cache.")


def _renew_mutexes(region: CacheRegion) -> None:
    """In a child of a fork: entries stay, locks that a thread of the parent holds do not."""
    region._lock_registry = NameRegistry(region._create_mutex)


def _renew_shared(region: CacheRegion, share: Callable[[CacheRegion], None]) -> None:
    """In a child of a fork: another client with connections and locks of its own."""
    processes.abandon(region.backend)
    region._actual_backend = None  # dogpile's own memory of what is below the proxies
    try:
        share(region)
    except Exception as error:  # noqa: BLE001  # dogpile and its backends raise what they like
        logger.error("%s is used without its shared cache after a fork: %s", region.name, type(error).__name__)
        region.configure(BOUNDED, replace_existing_backend=True)


def read_number(value: object) -> float | None:
    """A number out of a cache that others can write to, or None: no truth value, NaN, nor one that overflows a float."""
    fits = isinstance(value, (int, float)) and not isinstance(value, bool) and -_MAX_NUMBER < value < _MAX_NUMBER
    return value if fits else None  # type: ignore[return-value]


def _defer(build: Callable[[str], Callable[..., Any]], find_secret: Callable[[], str]) -> Callable[..., Any]:
    """What ``build`` makes of the secret, made at the first call."""
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
