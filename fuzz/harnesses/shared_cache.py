"""What another process wrote into a shared cache: only what was sealed under the same key is read."""

from __future__ import annotations

from dogpile.cache import register_backend
from dogpile.cache.api import NO_VALUE, CacheBackend

from pyramid_oauthguard.caching import build_region

from ..source import Source

NAMES = ("document", "url", "fetched_at", "keys", "asked_at", "until", "answer", "active")
STORED: dict[str, bytes] = {}


class _Store(CacheBackend):
    def __init__(self, arguments: object) -> None:
        pass

    def get_serialized(self, key: str) -> object:
        return STORED.get(key, NO_VALUE)

    def set_serialized(self, key: str, value: bytes) -> None:
        STORED[key] = value

    def delete(self, key: str) -> None:
        STORED.pop(key, None)

    get = get_serialized
    set = set_serialized


register_backend("fuzz.store", __name__, "_Store")
REGION = build_region("fuzz", {"backend": "fuzz.store"}, expiration_time=60, secret="a secret of this harness")


def run(data: bytes) -> None:
    """An entry that was changed, exchanged or made up is a miss."""
    source = Source(data)
    STORED.clear()
    good = source.take_object(NAMES)
    try:
        REGION.set("one", good)
        REGION.set("two", {"other": True})
    except (ValueError, TypeError, RecursionError):
        return  # not JSON
    one, two = sorted(STORED)
    before = STORED[one]
    kind = source.take_byte() % 4
    if kind == 0:
        STORED[one] = source.take_rest()
    elif kind == 1:
        at = source.take_byte() % len(before)
        STORED[one] = before[:at] + source.take_rest() + before[at:]
    elif kind == 2:
        STORED[one], STORED[two] = STORED[two], STORED[one]
    else:
        STORED[one] = before[: source.take_byte()]
    changed = STORED[one] != before
    found = REGION.get("one", ignore_expiration=True)
    assert not changed or found in (NO_VALUE, None), found
