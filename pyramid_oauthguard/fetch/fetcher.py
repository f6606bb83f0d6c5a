"""HTTP requests to an issuer, and what comes back.

Everything that comes back is a JSON object or an :class:`~pyramid_oauthguard.errors.UnavailableError`.
"""

from __future__ import annotations

import contextlib
import functools
import re
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import urllib3
from urllib3.connectionpool import HTTPConnectionPool

from .. import processes
from ..circuit import Circuit
from ..errors import UnavailableError
from ..outages import Outages, name_cause
from ..strict_json import parse_document
from ..telemetry.trace_context import find_headers
from ..urls import as_origin, check_url
from .answers import Answer
from .bodies import ENCODINGS, read_body
from .connections import POOLS, DeadlineTLSSocket, StaleConnection, clock
from .extras import Extras, find_user_agent
from .proxies import Proxy
from .trust import build_context

__all__ = ["Fetcher"]

_MAX_TARGETS: Final = 64
_KEPT_CONNECTIONS: Final = 32
_LONGEST_LOCATION: Final = 300
_BASIC: Final = {"Accept": "application/json", "Accept-Encoding": "identity"}
#: Some issuers, such as Kubernetes, answer 406 where the media type of key sets (RFC 7517 section 8.5.2) is not accepted.
_DOCUMENTS: Final = {"Accept": "application/json, application/jwk-set+json", "Accept-Encoding": ENCODINGS}
_TUNNEL_STATUS: Final = re.compile(r"Tunnel connection failed: ([0-9]{3})\b")
Parse = Callable[[bytes], dict[str, Any]]
_Send = functools.partial[urllib3.BaseHTTPResponse]


@dataclass(frozen=True, slots=True)
class _Target:
    url: str
    path: str  # with the query
    pool: HTTPConnectionPool
    circuit: Circuit
    proxy: Proxy | None
    headers: Mapping[str, str]
    has_extras: bool


class Fetcher:
    """Requests to issuers over pooled connections; safe to share between threads.

    :param timeout: seconds for one exchange in all: connecting, TLS, and the last byte of the answer. Only
        the resolving of the host name is outside of it.
    :param max_bytes: a longer answer is refused.
    :param pause: seconds that a URL is left alone after three calls in a row that it did not answer.
    :param ca_file: PEM file of accepted certificate authorities; None takes the system's.
    :param insecure_hosts: hosts that may be asked without TLS, see :func:`.urls.check_url`.
    :param proxy: what requests with TLS go through; see :meth:`Proxy.serves`.
    :param extras: additional headers for the origins that the settings name.
    :param label: of the issuer, under which circuits are counted; empty counts nothing.
    :param outages: where it is logged that a URL does not answer, and that it does again; None logs nothing.
    :param trace: gets a line for each exchange: the address, the proxy and what came back.
    """

    def __init__(
        self,
        *,
        timeout: float = 5,
        max_bytes: int = 1_048_576,
        ca_file: str | None = None,
        pause: float = 5,
        insecure_hosts: frozenset[str] = frozenset(),
        proxy: Proxy | None = None,
        extras: Extras | None = None,
        label: str = "",
        outages: Outages | None = None,
        trace: Callable[[str], None] | None = None,
    ) -> None:
        self._note = trace or _note_nothing
        self._insecure_hosts = insecure_hosts
        self._proxy = proxy
        self._extras = extras or Extras()
        self._outages = outages
        self._label = label
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._pause = pause
        self._ca_file = ca_file
        self._targets: dict[str, _Target] = {}
        self._parsers: dict[str, Parse] = {}
        # A file is read now: this process may give up the right to read it. The system's authorities are read at first use,
        # because that takes a third of the time in which a server starts.
        self._context = _build_context(ca_file) if ca_file else None
        self._pools: dict[Proxy | None, urllib3.PoolManager] = {}
        self._forked = False
        processes.register(self, Fetcher._leave_parent)

    def read_with(self, parse: Parse, url: str) -> None:
        """Read what ``url`` answers with ``parse`` from now on, not as strict JSON.

        :param parse: makes an object of the bytes, or raises ValueError.
        """
        self._parsers[url] = parse

    def get(self, url: str) -> Answer:
        """GET ``url``, on a connection of its own: requests
        once an hour would find a kept connection closed, and it would not be known whether the server got the request.

        :raises UnavailableError: not reachable, too slow, too large, a redirect, not JSON.
        """
        processes.renew_if_forked()
        target = self._targets.get(url) or self._find_target(url)
        headers = {**target.headers, **_DOCUMENTS, "Connection": "close"}
        if target.has_extras:
            headers |= self._extras.find_authorization()
        with self._build_pools(target.proxy) as pools:
            pool = pools.connection_from_url(url)
            return self._exchange(target, _prepare(pool, "GET", target.path, None, headers))

    def get_as(self, url: str, headers: Mapping[str, str]) -> Answer:
        """GET ``url`` with ``headers``, on a connection that is kept. :raises UnavailableError: as :meth:`get`."""
        processes.renew_if_forked()
        target = self._targets.get(url) or self._find_target(url)
        send = _prepare(target.pool, "GET", target.path, None, {**target.headers, **find_headers(), **headers})
        return self._exchange(target, send, again=True)

    def post(
        self, url: str, form: Mapping[str, str], headers: Mapping[str, str] | None = None, *, harmless: bool = False
    ) -> Answer:
        """POST ``form`` urlencoded.

        :param harmless: it changes nothing there and may be sent twice when a connection that was kept turns out to
            be dead (RFC 9110 section 9.2.2).
        :raises UnavailableError: as :meth:`get`.
        """
        processes.renew_if_forked()
        target = self._targets.get(url) or self._find_target(url)
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        extra = {**target.headers, **kind, **find_headers(), **(headers or {})}
        send = _prepare(target.pool, "POST", target.path, urlencode(form).encode(), extra)
        return self._exchange(target, send, again=harmless)

    def _leave_parent(self) -> None:
        """In a child of a fork: no connection, circuit or lock of the parent, nor OpenSSL's locks in the context."""
        self._targets = {}
        self._forked = True

    def _start_anew(self) -> None:
        """At the first use in a child, because reading the certificate authorities takes time."""
        with contextlib.suppress(OSError):  # the child may have given up the right to read the file
            self._context = _build_context(self._ca_file) if self._ca_file else None
        self._pools = {}
        self._forked = False

    def _build_pools(self, proxy: Proxy | None) -> urllib3.PoolManager:
        if self._context is None:
            self._context = _build_context(None)
        options: dict[str, Any] = {
            "num_pools": 8,
            "maxsize": _KEPT_CONNECTIONS,
            "block": False,
            "ssl_context": self._context,
            "timeout": urllib3.Timeout(total=self._timeout),
        }
        if proxy is None:
            pools = urllib3.PoolManager(**options)
        else:
            pools = urllib3.ProxyManager(proxy.url, proxy_headers=proxy.headers, **options)
        pools.pool_classes_by_scheme = POOLS
        return pools

    def _exchange(self, target: _Target, send: _Send, *, again: bool = False) -> Answer:
        target.circuit.check()
        way = f" through the proxy {target.proxy.url}" if target.proxy else ""
        try:
            answer = self._request(target, send, again=again)
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            cause = _describe_cause(error)  # the text of some of these repeats what the other side sent
            target.circuit.fail(cause)
            self._note(f"{target.url}{way}: {cause}")
            raise UnavailableError("unreachable", f"{send.args[0]} {target.url}{way}: {cause}") from error
        except UnavailableError as error:
            target.circuit.succeed()  # there was an answer, although not a usable one
            self._note(f"{error.detail}{way}")
            raise
        target.circuit.succeed()
        self._note(f"{target.url} answered {answer.status}{way}")
        return answer

    def _find_target(self, url: str) -> _Target:
        """Check and split a URL; the two or three that a deployment uses are remembered."""
        try:
            check_url(url, self._insecure_hosts)
            parts = urlsplit(url)
            if self._forked:
                self._start_anew()
            proxy = self._proxy if self._proxy is not None and self._proxy.serves(as_origin(url)) else None
            if proxy not in self._pools:
                self._pools[proxy] = self._build_pools(proxy)
            pool = self._pools[proxy].connection_from_url(url)
        except (ValueError, urllib3.exceptions.HTTPError) as error:
            raise UnavailableError("forbidden_url", str(error), lasting=True) from None
        # Not urlunsplit, which would change a path that begins with two slashes.
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if len(self._targets) >= _MAX_TARGETS:
            self._targets.clear()
        # A circuit for each, not for the origin: introspection that hangs must not keep keys from being fetched.
        circuit = Circuit(self._pause, name=url, label=self._label, outages=self._outages)
        has_extras = self._extras.allows(url)
        headers = _BASIC | {"User-Agent": find_user_agent()} | (dict(self._extras.headers) if has_extras else {})
        return self._targets.setdefault(url, _Target(url, path, pool, circuit, proxy, headers, has_extras))

    def _request(self, target: _Target, send: _Send, *, again: bool) -> Answer:
        clock.deadline = time.monotonic() + self._timeout
        for _kept in range(_KEPT_CONNECTIONS):
            try:
                return self._read(send(), target.url)
            except urllib3.exceptions.ProtocolError as error:
                if not again or not isinstance(error.args[-1], StaleConnection):
                    raise
        return self._read(send(), target.url)

    def _read(self, response: urllib3.BaseHTTPResponse, url: str) -> Answer:
        whole = False
        try:
            data = read_body(response, url, self._max_bytes)
            whole = True
        finally:
            # A connection with an unread rest can't be used again.
            response.release_conn() if whole else response.close()
        headers = response.headers
        if 300 <= response.status < 400:
            where = _describe_location(headers.get("Location", ""))
            text = f"{url} answered {response.status} {where}; redirects are not followed"
            raise UnavailableError("redirected", text, lasting=True)
        try:
            return Answer(response.status, headers, self._parsers.get(url, parse_document)(data))
        except ValueError as error:
            if response.status != 200:
                return Answer(response.status, headers, {})
            raise UnavailableError("not_json", f"{url} did not answer with a JSON object", lasting=True) from error


def _describe_cause(error: BaseException) -> str:
    """The cause of a failure, with the status by which a proxy refused a tunnel."""
    refusal = _TUNNEL_STATUS.search(str(getattr(error, "original_error", "")))
    return f"{name_cause(error)} (it answered {refusal[1]})" if refusal else name_cause(error)


def _note_nothing(_line: str) -> None:
    """Where only the log says what went wrong."""


def _describe_location(location: str) -> str:
    """Where an answer redirects to, for a log and a terminal. Without the query: some put tokens there."""
    path, question, _ = location.partition("?")
    shown = "".join(char if char.isprintable() else "?" for char in path[:_LONGEST_LOCATION])
    rest = "…" if question or len(path) > _LONGEST_LOCATION else ""
    return f"with Location {shown}{rest}" if location else "without Location"


def _build_context(ca_file: str | None) -> ssl.SSLContext:
    context = build_context(ca_file)
    context.sslsocket_class = DeadlineTLSSocket
    return context


def _prepare(pool: HTTPConnectionPool, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> _Send:
    return functools.partial(
        pool.urlopen,
        method,
        path,
        body=body,
        headers=headers,
        redirect=False,
        retries=False,
        preload_content=False,
    )
