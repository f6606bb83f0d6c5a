"""Caches: dogpile.cache regions configured from the ini, holding JSON under keyed hashes, bounded by default."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from dogpile.cache import CacheRegion, make_region, register_backend
from dogpile.cache.api import NO_VALUE, CacheBackend, CantDeserializeException

__all__ = ["BoundedBackend", "BoundedMap", "build_key_mangler", "build_region"]

BOUNDED: Final = "pyramid_oauthguard.bounded"
_IN_PROCESS: Final = frozenset({BOUNDED, "dogpile.cache.memory", "dogpile.cache.null"})


class BoundedMap:
    """At most ``size`` entries, the ones not used lately dropped first; hits take no lock.

    Two generations: what is set or found lands in the young one; when that is half full it becomes the old
    one and the former old one is dropped whole. So nothing is reordered on a hit, and a flood of new entries
    costs the useful ones at most one miss.
    """

    def __init__(self, size: int) -> None:
        self._half = max(1, (size + 1) // 2)
        self._young: dict[Any, Any] = {}
        self._old: dict[Any, Any] = {}
        self._lock = threading.Lock()

    def get(self, key: Any, default: Any = None) -> Any:
        found = self._young.get(key, NO_VALUE)
        if found is not NO_VALUE:
            return found
        found = self._old.get(key, NO_VALUE)
        if found is NO_VALUE:
            return default
        self._promote(key, found)
        return found

    def set(self, key: Any, value: Any) -> None:
        with self._lock:
            self._old.pop(key, None)
            self._put(key, value)

    def delete(self, key: Any) -> None:
        with self._lock:
            self._young.pop(key, None)
            self._old.pop(key, None)

    def clear(self) -> None:
        with self._lock:
            self._young = {}
            self._old = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def _promote(self, key: Any, value: Any) -> None:
        with self._lock:
            # Only what is still there: a delete that came between must not be undone.
            if self._old.pop(key, NO_VALUE) is value:
                self._put(key, value)

    def _put(self, key: Any, value: Any) -> None:
        if len(self._young) >= self._half and key not in self._young:
            self._old = self._young
            self._young = {}
        self._young[key] = value


class BoundedBackend(CacheBackend):
    """A dogpile backend in this process's memory that holds at most ``arguments.size`` entries (10,000).

    dogpile's own memory backend never drops anything, which lets a flood of tokens fill the memory.
    """

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        self._map = BoundedMap(int(arguments.get("size", 10_000)))

    def get(self, key: str) -> Any:
        return self._map.get(key, NO_VALUE)

    def get_multi(self, keys: Sequence[str]) -> list[Any]:
        return [self.get(key) for key in keys]

    def set(self, key: str, value: Any) -> None:
        self._map.set(key, value)

    def set_multi(self, mapping: Mapping[str, Any]) -> None:
        for key, value in mapping.items():
            self.set(key, value)

    def delete(self, key: str) -> None:
        self._map.delete(key)

    def delete_multi(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.delete(key)


register_backend(BOUNDED, __name__, "BoundedBackend")


def build_key_mangler(secret: str) -> Callable[[str], str]:
    """Keys as HMAC-SHA256: whoever can read a shared cache can neither recognise nor look up a token.

    All processes that share a cache share the secret; without one the hash is only domain-separated.
    """
    key = hashlib.sha256(b"pyramid_oauthguard cache key\0" + secret.encode()).digest()

    def mangle(text: str) -> str:
        return "oauthguard:" + hmac.new(key, text.encode(), hashlib.sha256).hexdigest()

    return mangle


def build_region(
    name: str, options: Mapping[str, Any], *, expiration_time: float, mangler: Callable[[str], str]
) -> CacheRegion:
    """A region out of the keys below one ini prefix: ``backend``, ``expiration_time``, ``arguments.*``.

    Values are JSON wherever they leave the process: dogpile's default is pickle, and whoever can write to a
    shared cache could run code here.
    """
    config = {f"cache.{key}": value for key, value in options.items() if key != "expiration_time"}
    backend = config.setdefault("cache.backend", BOUNDED)
    config["cache.expiration_time"] = int(expiration_time) or -1
    in_process = backend in _IN_PROCESS
    region = make_region(
        name=f"oauthguard.{name}",
        key_mangler=mangler,
        serializer=None if in_process else _as_json,
        deserializer=None if in_process else _from_json,
    )
    return region.configure_from_config(config, "cache.")


def _as_json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _from_json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CantDeserializeException from error
