"""The address that a limit counts under, and pages of other sites that make a browser send requests."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import Any, Final

__all__ = ["IPV6_PREFIX", "UNKNOWN", "find_network", "is_cross_site"]

#: How many bits of an IPv6 address name the network. A host that has one address of a /64 network can use all of them.
IPV6_PREFIX: Final = 64
#: A caller whose address the WSGI server does not know. Behind a Unix socket, this is every caller.
UNKNOWN: Final = ""
_REMEMBERED: Final = 1024
_WITH_PORT: Final = re.compile(r"\[([^\]]*)\](?::\d+)?|([\d.]+):\d+")


def find_network(request: Any, *, ipv6_prefix: int = IPV6_PREFIX) -> str:
    """Where the request came from as the WSGI server says: an IPv4 address, an IPv6 network, or ``UNKNOWN``.

    NOT checked: whether this is the caller or a proxy. The WSGI server must be told which proxy it may trust.
    """
    return _read_network(request.remote_addr or "", ipv6_prefix)


@lru_cache(maxsize=_REMEMBERED)
def _read_network(text: str, ipv6_prefix: int) -> str:
    match = _WITH_PORT.fullmatch(text)
    if match is not None:
        text = match[1] or match[2] or ""
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return UNKNOWN
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Network((found, ipv6_prefix), strict=False))


def is_cross_site(request: Any) -> bool:
    """Whether a browser says that a page of another site made it send this request (Fetch Metadata).

    A page cannot set this header, but a program can send any value: so a guess must always be counted.
    """
    return bool(request.environ.get("HTTP_SEC_FETCH_SITE") == "cross-site")
