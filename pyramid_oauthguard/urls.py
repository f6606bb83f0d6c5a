"""Which URLs are good enough to send a credential to, or to take one from."""

from __future__ import annotations

import functools
import ipaddress
from urllib.parse import urlsplit

__all__ = ["check_url", "is_loopback"]


@functools.lru_cache(maxsize=64)  # an endpoint is judged each time it is used; who is refused is not remembered
def check_url(url: str) -> None:
    """ValueError unless ``url`` is absolute https, or http to a loopback host, without user, fragment or controls."""
    if not url.isascii() or any(ord(char) <= 32 or char in '"<>\\^`{|}\x7f' for char in url):
        raise ValueError("must be a URL of printable ASCII characters")
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(f"is not a URL: {url!r}") from None
    if not host or parts.username is not None or parts.fragment:
        raise ValueError(f"must be an absolute URL without user or fragment, not {url!r}")
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)):
        return
    raise ValueError(f"must begin with https:// (http:// only for loopback hosts), not {url!r}")


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine by its spelling alone; no name is resolved."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
