"""The settings that say where requests carry tokens."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Final

from ...settings import as_list

__all__ = ["as_networks", "as_token_sources"]

_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
#: Headers that no proxy writes a token into, and those that have a source of their own.
_TAKEN: Final = frozenset({"authorization", "cookie", "host", "origin", "content-length", "content-type", "connection"})


def as_token_sources(value: Any) -> tuple[str, ...]:
    """``header``, ``header:NAME``, ``cookie:NAME``; names of headers in lower case."""
    words = tuple(map(_as_source, as_list(value)))
    if not words or len(set(words)) < len(words):
        raise ValueError("must name at least one source, and each once")
    return words


def as_networks(value: Any) -> tuple[IPv4Network | IPv6Network, ...]:
    """Addresses, or networks of addresses."""
    try:
        return tuple(map(ip_network, as_list(value)))
    except ValueError:
        raise ValueError(f"must be addresses such as 10.0.0.5 or networks such as 10.0.0.0/24, not {value!r}") from None


def _as_source(word: str) -> str:
    kind, colon, name = word.partition(":")
    if word == "header":
        return word
    if kind not in {"header", "cookie"} or not colon or not _NAME.fullmatch(name):
        raise ValueError(f"must be header, header:NAME or cookie:NAME, not {word!r}")
    if kind == "cookie":
        return word
    if name.lower() in _TAKEN:
        raise ValueError(f"{word!r} can't be a source; the Authorization header is the source header")
    return f"header:{name.lower()}"
