"""GET from a host that somebody else chose: its addresses are resolved once and checked, and the socket connects to one of
the checked addresses. No proxy, no redirect, no kept connection; limited in time and size.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import urllib3

from .. import processes
from ..outages import name_cause
from ..urls import Origin, as_origin
from .connections import POOLS, DeadlineTLSSocket, clock
from .public_addresses import is_public
from .resolving import BusyResolverError, Resolver

__all__ = ["PinnedFetchError", "PinnedFetcher", "Text"]

_CHUNK: Final = 4096
_MAX_TRIED: Final = 3
_HEADERS: Final = {
    "Accept": "application/json, application/jwk-set+json",
    "Accept-Encoding": "identity",
    "Connection": "close",
    "User-Agent": "pyramid_oauthguard",
}


class PinnedFetchError(Exception):
    """Nothing usable came back; the text is the reason, for a log. It contains nothing that the other side sent.

    :ivar is_outage: the host failed, not only this document.
    :ivar is_busy: the host was not asked.
    """

    def __init__(self, reason: str, *, is_outage: bool = False, is_busy: bool = False) -> None:
        super().__init__(reason)
        self.is_outage = is_outage
        self.is_busy = is_busy


@dataclass(frozen=True, slots=True)
class Text:
    """What came back with status 200. The names of the headers have no case."""

    body: bytes
    headers: Mapping[str, str]


class PinnedFetcher:
    """Safe to share between threads.

    :param resolver: finds the addresses of a host.
    :param max_bytes: a longer answer is refused.
    :param is_allowed: whether the socket may connect to an address of a host.
    """

    def __init__(
        self, *, resolver: Resolver, max_bytes: int, is_allowed: Callable[[Origin, str], bool] | None = None
    ) -> None:
        self.resolver = resolver
        self._max_bytes = max_bytes
        self._is_allowed = is_allowed or (lambda _origin, address: is_public(address))
        self._context: ssl.SSLContext | None = None
        processes.register(self, PinnedFetcher._forget_context)

    def get(self, url: str, deadline: float) -> Text:
        """GET ``url``. NOT checked: its port and path.

        :param deadline: on the clock :func:`time.monotonic`; it ends everything, from the first look-up to the last byte.
        :raises PinnedFetchError: an address that is not allowed, not reachable, too slow, too large, not status 200.
        """
        origin = as_origin(url)
        path = url.partition("://")[2].partition("/")[2]
        problem = PinnedFetchError("there was no time left", is_outage=True)
        for address in self._find_addresses(origin, deadline)[:_MAX_TRIED]:
            try:
                return self._get(origin, f"/{path}", address, deadline)
            except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
                problem = PinnedFetchError(f"{address}: {name_cause(error)}", is_outage=True)
            if time.monotonic() >= deadline:
                break
        raise problem

    def _find_addresses(self, origin: Origin, deadline: float) -> list[str]:
        """All of them, if all are allowed: a host that also has another address may be somebody's attempt."""
        try:
            addresses = self.resolver.resolve(origin.host, origin.port, deadline)
        except BusyResolverError:
            raise PinnedFetchError("too many names are being resolved", is_busy=True) from None
        except OSError as error:
            raise PinnedFetchError(f"the host can't be resolved: {name_cause(error)}", is_outage=True) from None
        for address in addresses:
            if not self._is_allowed(origin, address):
                raise PinnedFetchError(f"the host has the address {address}, which is not public")
        return addresses

    def _get(self, origin: Origin, path: str, address: str, deadline: float) -> Text:
        clock.deadline = deadline
        with self._build_pool(origin, address, deadline) as pool:
            response = pool.urlopen(
                "GET",
                path,
                headers={**_HEADERS, "Host": str(origin).partition("://")[2]},
                redirect=False,
                retries=False,
                preload_content=False,
                assert_same_host=False,
            )
            try:
                return self._read(response)
            finally:
                response.close()

    def _build_pool(self, origin: Origin, address: str, deadline: float) -> Any:
        # One address that does not answer leaves time for the next one.
        remaining = max(0.001, deadline - time.monotonic())
        timeout = urllib3.Timeout(connect=remaining / 2, read=remaining)
        if origin.scheme == "http":
            return POOLS["http"](address, origin.port, timeout=timeout, retries=False)
        return POOLS["https"](
            address,
            origin.port,
            timeout=timeout,
            retries=False,
            ssl_context=self._find_context(),
            server_hostname=origin.host,
        )

    def _read(self, response: Any) -> Text:
        if response.status != 200:
            is_outage = response.status == 429 or response.status >= 500
            raise PinnedFetchError(f"the status is {response.status}, not 200", is_outage=is_outage)
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise PinnedFetchError("the answer has an encoding that was not asked for")
        chunks, size = [], 0
        while chunk := response.read1(_CHUNK):
            size += len(chunk)
            if size > self._max_bytes:
                raise PinnedFetchError(f"the answer has more than {self._max_bytes} bytes")
            chunks.append(chunk)
        return Text(b"".join(chunks), response.headers)

    def _find_context(self) -> ssl.SSLContext:
        if self._context is None:
            context = ssl.create_default_context()
            context.sslsocket_class = DeadlineTLSSocket
            self._context = context
        return self._context

    def _forget_context(self) -> None:
        """In a child of a fork: OpenSSL's locks may be held by a thread of the parent."""
        self._context = None
