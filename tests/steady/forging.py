"""Entries of shared caches as a program writes them that knows the settings, the format, and perhaps the secret."""

from __future__ import annotations

import json
import time
from typing import Any

from pyramid_oauthguard.caching import build_key_mangler, build_seal


def bind(secret: str, issuer: str, audience: str, cache: str) -> str:
    """What the guard makes of a secret for one of its caches; the empty secret is what every program knows."""
    return json.dumps([secret, issuer, [audience], cache])


def find_name(key: str, bound: str) -> str:
    """The name in the cache of an entry that the guard calls `key`."""
    return build_key_mangler(bound)(key)


def write_entry(value: Any, name: str, bound: str) -> bytes:
    """The sealed entry under this name."""
    entry = b'{"ct": %f, "v": 2}|' % time.time() + json.dumps(value).encode()
    return build_seal(bound)(name, entry) + b"|" + entry
