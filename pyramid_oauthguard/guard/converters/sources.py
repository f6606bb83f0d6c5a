"""The settings that say where requests carry tokens."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Final

from ...settings import as_list

__all__ = ["UNIX", "as_networks", "as_token_sources"]

#: Used as the address of callers that connect to the Unix socket of the server.
UNIX: Final = "unix"
Network = IPv4Network | IPv6Network

#: Of an IPv6 address that contains an IPv4 address (RFC 4291 section 2.5.5.2), the bits before it.
_MAPPED_BITS: Final = 96
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
#: Headers that no proxy writes a token into, and those that have a source of their own.
_TAKEN: Final = frozenset({"authorization", "cookie", "host", "origin", "content-length", "content-type", "connection"})

#: Amazon's load balancer writes base64 with padding into it.
_PADDED: Final = "x-amzn-oidc-data"


def as_token_sources(value: Any) -> tuple[str, ...]:
    """``header``, ``header:NAME``, ``cookie:NAME``; names of headers in lower case."""
    words = tuple(map(_as_source, as_list(value)))
    if not words or len(set(words)) < len(words):
        raise ValueError("must name at least one source, and each once")
    return words


def as_networks(value: Any) -> tuple[Network | str, ...]:
    """Addresses, or networks of addresses, and ``unix``."""
    return tuple(word if word == UNIX else _as_network(word) for word in as_list(value))


def _as_network(word: str) -> Network:
    try:
        network = ip_network(word)
    except ValueError:
        raise ValueError(
            f"must be addresses such as 10.0.0.5, networks such as 10.0.0.0/24, or unix, not {word!r}"
        ) from None
    if isinstance(network, IPv6Network) and network.prefixlen >= _MAPPED_BITS and network.network_address.ipv4_mapped:
        return IPv4Network((network.network_address.ipv4_mapped, network.prefixlen - _MAPPED_BITS))
    return network


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
    if name.lower() == _PADDED:
        raise ValueError(
            f"{word!r} can't be a source: its parts are padded, so it is not a JWT. X-Amzn-Oidc-Accesstoken can"
        )
    return f"header:{name.lower()}"
