"""A token that is not in the Authorization header: in a cookie, or in a header that a proxy in front of us adds.

Only where ``token_source`` says so. Never from the query, and never exempt from CSRF checks: browsers send cookies by themselves.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, Final

from pyramid.request import Request

from ...errors import InvalidRequest
from ...interfaces import Credential
from ..request_facts import read_facts
from .header import is_present as is_in_header
from .header import is_token68

__all__ = ["HEADER", "Sources", "build_sources", "find", "find_sources", "find_unread", "ignore", "is_present"]

#: The usual source: a bearer token in the Authorization header.
HEADER: Final = "header"
_REGISTERED: Final = "oauthguard_sources"
_IGNORED: Final = "_oauthguard_elsewhere_ignored"

#: What the WSGI servers report for a connection of a Unix socket: gunicorn nothing, waitress a name.
_UNIX_ADDRESSES: Final = frozenset({"", "localhost"})
_UNIX: Final = "unix"

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the requests of one application carry tokens, if not in the Authorization header alone.

    :ivar has_header: whether the Authorization header is one of the places.
    :ivar headers: names of headers of proxies, in lower case.
    :ivar cookies: names of cookies.
    :ivar proxies: addresses whose headers are believed; ``unix`` is that of a Unix socket.
    """

    has_header: bool
    headers: tuple[str, ...]
    cookies: tuple[str, ...]
    proxies: tuple[Network | str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The request headers that an answer depends on, for Vary (RFC 9110 section 12.5.5)."""
        own = ("Authorization",) if self.has_header else ()
        return (*own, *(("Cookie",) if self.cookies else ()), *(name.title() for name in self.headers))

    def trusts(self, request: Request) -> bool:
        """Whether the sender of the request is one of the proxies: by the address of the connection."""
        address = _read_sender(request)
        if address is None or address == _UNIX:
            return address in self.proxies
        return any(address in each for each in self.proxies if not isinstance(each, str))


def build_sources(words: Iterable[str], proxies: tuple[Network | str, ...]) -> Sources | None:
    """The places of ``words`` (``header``, ``header:NAME``, ``cookie:NAME``); None where there is nothing but the usual one."""
    places = tuple(dict.fromkeys(words))
    if places == (HEADER,):
        return None
    split = [place.partition(":")[::2] for place in places]
    return Sources(
        has_header=HEADER in places,
        headers=tuple(name for kind, name in split if kind == "header" and name),
        cookies=tuple(name for kind, name in split if kind == "cookie"),
        proxies=proxies,
    )


def find_sources(registry: Any) -> Sources | None:
    """The places of an application; None where only the Authorization header is looked at."""
    found: Sources | None = getattr(registry, _REGISTERED, None)
    return found


def find(request: Request) -> Credential | None:
    """The token in a cookie or in the header of a proxy, None without one.

    :raises InvalidRequest: there are two, or one that is not a token.
    """
    sources = _find_wanted(request)
    if sources is None:
        return None
    found = list(_list_found(request, sources))
    if len(found) > 1:
        raise InvalidRequest("several_credentials")
    for source, text in found:
        if not is_token68(text):
            raise InvalidRequest("malformed_token")
        return Credential("Bearer", text, source, functools.partial(read_facts, request))
    return None


def is_present(request: Request) -> bool:
    """Whether there is a token in one of these places, well-formed or not."""
    sources = _find_wanted(request)
    return sources is not None and next(_list_found(request, sources), None) is not None


def ignore(request: Request) -> None:
    """Find nothing in these places of this request from now on. Browsers and proxies send what is there with every request,
    so that on a page for users, the user of a token would count as signed in.
    """
    request.__dict__[_IGNORED] = True


def find_unread(request: Request) -> str | None:
    """Why a token that is in a header was not read, for the log; None where there is none, or where another place is the usual one."""
    sources = _find_wanted(request)
    if sources is None:
        return None
    if not sources.has_header and is_in_header(request):
        return "the Authorization header is not one of oauthguard.token_source"
    for name in () if sources.trusts(request) else sources.headers:
        if request.environ.get(_as_key(name)):
            sender = _read_sender(request) or "an unknown sender"
            return f"the header {name} came from {sender}, which is not one of oauthguard.trusted_proxies"
    return None


def _find_wanted(request: Request) -> Sources | None:
    return None if _IGNORED in request.__dict__ else find_sources(getattr(request, "registry", None))


def _read_sender(request: Request) -> IPv4Address | IPv6Address | str | None:
    """The address of the connection, ``unix`` for a Unix socket, None for what is neither. An IPv4 address that a socket of IPv6
    accepted counts as what it is.
    """
    text = request.environ.get("REMOTE_ADDR", "")
    if text in _UNIX_ADDRESSES:
        return _UNIX
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _as_key(name: str) -> str:
    return f"HTTP_{name.upper().replace('-', '_')}"


def _list_found(request: Request, sources: Sources) -> Iterator[tuple[str, str]]:
    """What is there: the source and the characters. An empty value does not count."""
    for name in sources.headers if sources.headers and sources.trusts(request) else ():
        text = request.environ.get(_as_key(name), "").strip(" ")
        if text[:7].lower() == "bearer ":  # a proxy has moved the Authorization header of its caller here
            text = text[7:].lstrip(" ")
        if text:
            yield f"header:{name}", text
    if sources.cookies:
        for name, text in _list_cookies(request.environ.get("HTTP_COOKIE", "")):
            if name in sources.cookies and text:
                yield f"cookie:{name}", text


def _list_cookies(header: str) -> Iterator[tuple[str, str]]:
    """Every cookie, also two of one name (RFC 6265 section 5.4)."""
    for pair in header.split(";"):
        name, _, value = pair.strip().partition("=")
        yield name, value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
