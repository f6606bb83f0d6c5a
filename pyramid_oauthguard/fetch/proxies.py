"""The proxy of a network whose hosts reach others only through it: which requests take it (RFC 9110 section 9.3.6)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Final
from urllib.parse import unquote

from urllib3.util import make_headers

from ..urls import Origin, as_origin, is_loopback

__all__ = ["Proxy", "build_proxy", "read_environment"]

_AUTHORITY: Final = re.compile(r"(?:http://)?(?:([^@/?#]*)@)?([^@/?#]+)/?", re.IGNORECASE)
_DEFAULT_PORT: Final = re.compile(r":[0-9]+$")


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that makes tunnels with CONNECT. TLS is between us and the other end, so it sees host and port only.

    :ivar url: ``http://host:port``, without user and password.
    :ivar headers: what the proxy alone gets: who we are to it.
    :ivar bypass: hosts that are asked directly; see :meth:`serves`.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    bypass: tuple[str, ...] = ()

    def serves(self, origin: Origin) -> bool:
        """Whether requests to ``origin`` take this proxy: only with TLS, never to this machine, and not to the hosts of
        ``bypass``: ``*``, a host or a domain with everything below it, with or without a port, or a network of addresses.
        """
        if origin.scheme != "https" or is_loopback(origin.host) or origin.host.endswith(".localhost"):
            return False
        return not any(_covers(entry, origin) for entry in self.bypass)


def build_proxy(address: str, no_proxy: Iterable[str] = ()) -> Proxy:
    """The proxy at ``address``: ``http://host:port``, with ``user:password@`` before the host if it wants that.

    :param no_proxy: hosts that are asked directly.
    :raises ValueError: it is not such an address. The message contains no part of it, for it may contain a password.
    """
    found = _AUTHORITY.fullmatch(address.strip())
    try:
        if found is None:
            raise ValueError("not http")  # handled below, like a bad host
        as_origin(f"http://{found[2]}")
    except ValueError:
        raise ValueError(
            "must be http://host:port, or http://user:password@host:port: only such proxies are supported"
        ) from None
    if not _DEFAULT_PORT.search(found[2]):
        raise ValueError("must name the port of the proxy, such as http://proxy.example.com:3128")
    pair = unquote(found[1]) if found[1] else None
    headers = make_headers(proxy_basic_auth=pair) if pair else {}
    bypass = tuple(entry.lower() for entry in no_proxy if entry)
    return Proxy(f"http://{found[2].lower()}", headers, bypass)


def read_environment(environ: Mapping[str, str]) -> tuple[str | None, str, tuple[str, ...]]:
    """What the environment says: the address of the proxy for requests with TLS or None, the variable that it is from, and the
    hosts that are asked directly.

    Lower case comes first, as curl reads it. HTTP_PROXY is for requests without TLS, which never take a proxy here. It is not
    looked at: a CGI server makes it from the header ``Proxy`` of a request.
    """
    hosts = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    bypass = tuple(re.split(r"[\s,]+", hosts.strip())) if hosts.strip() else ()
    for name in ("https_proxy", "HTTPS_PROXY"):
        if environ.get(name, "").strip():
            return environ[name].strip(), name, bypass
    return None, "", bypass


def _covers(entry: str, origin: Origin) -> bool:
    if entry == "*":
        return True
    host, port = _split(entry)
    if port is not None and port != origin.port:
        return False
    try:
        return ip_address(origin.host) in ip_network(host, strict=False)
    except ValueError:  # one of them is a name
        name = host.removeprefix("*").removeprefix(".")
        return bool(name) and (origin.host == name or origin.host.endswith(f".{name}"))


def _split(entry: str) -> tuple[str, int | None]:
    """Host and port of an entry; an IPv6 address with a port has brackets."""
    found = re.fullmatch(r"\[([^\]]*)\](?::([0-9]{1,5}))?|([^:]*):([0-9]{1,5})", entry)
    if found is None:
        return entry, None
    host, port = (found[1], found[2]) if found[1] is not None else (found[3], found[4])
    return host, int(port) if port else None
