"""HTTP requests to addresses that another party named: limited in time and size, without redirects, proxies and cookies.

The user names one URL. What its answers name is on public addresses and has TLS, unless the user's own URL has neither.
"""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import urllib3

from ...errors import UnavailableError
from ...fetch.connections import POOLS, DeadlineTLSSocket, clock
from ...fetch.public_addresses import is_public
from ...fetch.resolving import Resolver
from ...outages import name_cause
from ...strict_json import parse_object
from ...urls import Origin, as_origin

__all__ = ["Reply", "Web"]

_TIMEOUT_SECONDS: Final = 10.0
_MAX_BYTES: Final = 1_048_576
_CHUNK: Final = 65_536
_MAX_TRIED: Final = 3
_PRINTABLE: Final = re.compile(r"[\x20-\x7e]*")
_HEADERS: Final = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "oauthguard"}


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back, whatever its status."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes = field(repr=False)

    def find(self, name: str) -> str | None:
        """The first header of this name, written in lower case."""
        return next(iter(self.find_all(name)), None)

    def find_all(self, name: str) -> list[str]:
        """All headers of this name, written in lower case."""
        return [value for key, value in self.headers if key.lower() == name]

    def find_object(self) -> Mapping[str, Any] | None:
        """The JSON object in the body, or None."""
        try:
            return parse_object(self.body)
        except ValueError:
            return None


class Web:
    """Requests on behalf of a user who named ``home``.

    :param home: the URL that the user named.
    :param tls: trusted certificate authorities.
    :param resolver: finds the addresses of a host.
    :raises ValueError: ``home`` is not an absolute http or https URL.
    """

    def __init__(self, home: str, tls: ssl.SSLContext, *, resolver: Resolver | None = None) -> None:
        self._home = as_origin(home)
        self._tls = tls
        self._tls.sslsocket_class = DeadlineTLSSocket
        self._resolver = resolver or Resolver()
        self._private: bool | None = None

    def send(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Reply:
        """The answer to one request.

        :raises UnavailableError: the address may not be asked (reason ``forbidden_url``), or there is no answer.
        """
        deadline = time.monotonic() + _TIMEOUT_SECONDS
        origin = self._judge(url)
        path = "/" + url.partition("://")[2].partition("/")[2]
        problem = UnavailableError("unreachable", f"{method} {url}: there was no time left")
        for address in self._find_addresses(origin, url, deadline)[:_MAX_TRIED]:
            clock.deadline = deadline
            try:
                with self._build_pool(origin, address, deadline) as pool:
                    return _exchange(
                        pool, method, path, headers={**_build_headers(origin), **(headers or {})}, body=body
                    )
            except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
                problem = UnavailableError("unreachable", f"{method} {url}: {name_cause(error)}")
        raise problem

    def check(self, url: str) -> None:
        """:raises UnavailableError: ``url`` may not be asked (reason ``forbidden_url``), or its host is not known."""
        self._find_addresses(self._judge(url), url, time.monotonic() + _TIMEOUT_SECONDS)

    def _judge(self, url: str) -> Origin:
        try:
            origin = as_origin(url)
            if not _PRINTABLE.fullmatch(url):
                raise ValueError("must be a URL of printable ASCII characters")
        except ValueError as error:
            raise UnavailableError("forbidden_url", f"{url!a} {error}", lasting=True) from None
        if origin.scheme == "http" and self._home.scheme != "http":
            raise UnavailableError("forbidden_url", f"{url} is http, so it is not asked", lasting=True)
        return origin

    def _find_addresses(self, origin: Origin, url: str, deadline: float) -> list[str]:
        addresses = self._resolve(origin, url, deadline)
        public = [each for each in addresses if is_public(each)]
        if len(public) == len(addresses) or self._allows_private(deadline):
            return addresses
        if origin == self._home:
            return public
        raise UnavailableError("forbidden_url", f"{url} is on a private address, so it is not asked", lasting=True)

    def _allows_private(self, deadline: float) -> bool:
        """Whether the URL that the user named is on private addresses itself. One among public ones does not count: the owner of
        the name would open the user's network by it."""
        if self._private is None:
            addresses = self._resolve(self._home, str(self._home), deadline)
            self._private = not any(map(is_public, addresses))
        return self._private

    def _resolve(self, origin: Origin, url: str, deadline: float) -> list[str]:
        try:
            return self._resolver.resolve(origin.host, origin.port, deadline)
        except OSError as error:
            raise UnavailableError("unreachable", f"{url}: {name_cause(error)}") from error

    def _build_pool(self, origin: Origin, address: str, deadline: float) -> Any:
        remaining = max(0.001, deadline - time.monotonic())
        timeout = urllib3.Timeout(connect=remaining / 2, read=remaining)
        if origin.scheme == "http":
            return POOLS["http"](address, origin.port, timeout=timeout, retries=False)
        host = origin.host
        return POOLS["https"](
            address, origin.port, timeout=timeout, retries=False, ssl_context=self._tls, server_hostname=host
        )


def _build_headers(origin: Origin) -> dict[str, str]:
    return {**_HEADERS, "Host": str(origin).partition("://")[2]}


def _exchange(pool: Any, method: str, path: str, *, headers: Mapping[str, str], body: bytes | None) -> Reply:
    response = pool.urlopen(
        method, path, body=body, headers=headers, redirect=False, retries=False, preload_content=False,
        assert_same_host=False,
    )  # fmt: skip
    chunks, size = [], 0
    try:
        while size <= _MAX_BYTES and (chunk := response.read1(_CHUNK)):
            size += len(chunk)
            chunks.append(chunk)
    finally:
        response.close()
    if size > _MAX_BYTES:
        raise ValueError("the answer is too long")
    return Reply(response.status, tuple(response.headers.items()), b"".join(chunks))
