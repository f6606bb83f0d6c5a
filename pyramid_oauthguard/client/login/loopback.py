"""The listener that the browser comes back to (RFC 8252 section 7.3): loopback only, open for one attempt."""

from __future__ import annotations

import errno
import os
import queue
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from ... import processes
from ...exit_status import DENIED, USAGE
from ...urls import as_origin
from ..errors import CommandError
from .attempt import Attempt
from .ending import Ending
from .pages import HEADERS, Page

__all__ = ["Answers", "Listener", "open_listener", "parse_redirect_uri"]

_IPV4: Final = "127.0.0.1"
_IPV6: Final = "::1"
_TRIES: Final = 20
# This machine has no IPv6, or no loopback for it.
_ABSENT: Final = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EINVAL)

Answers = queue.SimpleQueue[str | CommandError]


class Listener:
    """Listening sockets on 127.0.0.1 and [::1] at one port.

    :ivar redirect_uri: where the browser is to be sent; never ``localhost``, which a name service could answer
        (RFC 8252 section 8.3).
    """

    def __init__(self, servers: list[_Server], redirect_uri: str) -> None:
        self._servers = servers
        self.redirect_uri = redirect_uri

    @contextmanager
    def serve(self, attempt: Attempt, answers: Answers) -> Iterator[Ending]:
        """Put the code, or the error that ends the attempt, into ``answers``; any other request changes nothing.

        The browser that brought the code waits for its page until the ending is known.
        """
        threads, ending = [], Ending()
        for server in self._servers:
            server.desk = _Desk(attempt, answers, {_format_host(each) for each in self._servers}, ending)
            threads.append(threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True))
        for thread in threads:
            thread.start()
        try:
            yield ending
        except BaseException:
            ending.fail()
            raise
        finally:
            ending.close()
            for server in self._servers:
                server.shutdown()


@contextmanager
def open_listener(redirect_uri: str) -> Iterator[Listener]:
    """Listen at the address of ``redirect_uri``, at a random port if it has none.

    :raises CommandError: it is not an http URI of a loopback IP address, or the port is taken.
    """
    parts = parse_redirect_uri(redirect_uri)
    host = parts.hostname or _IPV4
    with ExitStack() as stack:
        servers = _bind(host, parts.port or 0)
        for server in servers:
            stack.callback(server.server_close)
        port = servers[0].server_address[1]
        name = f"[{host}]" if ":" in host else host
        yield Listener(servers, f"http://{name}:{port}{parts.path}")


def parse_redirect_uri(redirect_uri: str) -> SplitResult:
    """The parts of ``redirect_uri``. :raises CommandError: it is not an http URI of a loopback IP address."""
    try:
        origin, parts = as_origin(redirect_uri), urlsplit(redirect_uri)
        # The host as it is written, too: it goes into the redirect URI, which servers compare as text.
        known = origin.host == parts.hostname and origin.host in (_IPV4, _IPV6)
        good = origin.scheme == "http" and known and parts.path[:1] == "/" and not parts.query
    except ValueError:
        good = False
    if not good:
        raise CommandError(
            USAGE,
            f"{redirect_uri!r} can't be a redirect URI here",
            "use http://127.0.0.1/PATH or http://[::1]/PATH, with a port where the server requires a fixed one",
        )
    return parts


def _bind(host: str, port: int) -> list[_Server]:
    """Servers at one port of both addresses, the one of ``host`` first. Both are used, so that no other program can listen on one of them."""
    other = _IPV6 if host == _IPV4 else _IPV4
    for _ in range(_TRIES):
        first = _open(host, port)
        try:
            return [first, _Server(other, first.server_address[1])]
        except OSError as error:
            if error.errno in _ABSENT:
                return [first]
            first.server_close()
            if port:
                raise CommandError(USAGE, f"port {port} is taken on {other}", "end what uses it") from error
    raise CommandError(USAGE, "no port is free on both loopback addresses")


def _open(host: str, port: int) -> _Server:
    try:
        return _Server(host, port)
    except OSError as error:
        where = f"{host} port {port}" if port else host
        raise CommandError(
            USAGE, f"can't listen on {where}: {error.strerror}", "is another sign-in going on?"
        ) from error


class _Server(ThreadingMixIn, TCPServer):
    # The method of http.server would resolve the name of 127.0.0.1.
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = os.name == "posix"  # on Windows it would let others listen on the same port

    def __init__(self, host: str, port: int) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.desk: _Desk | None = None
        self._inherited = False
        super().__init__((host, port), _Handler)
        processes.register(self, _Server._leave_parent)

    def shutdown(self) -> None:
        if not self._inherited:  # in a child, the serving thread of the parent does not run
            super().shutdown()

    def _leave_parent(self) -> None:
        """Prepare a forked child: the port belongs to the parent, and must become free when the parent closes it."""
        self._inherited = True
        processes.cut(self.socket)

    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        super().server_bind()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore broken connections."""


class _Desk:
    """Chooses the page for each request. Takes the first answer that belongs to the attempt, and no later one."""

    def __init__(self, attempt: Attempt, answers: Answers, hosts: set[str], ending: Ending) -> None:
        self.ending = ending
        self._attempt = attempt
        self._answers = answers
        self._hosts = hosts
        self._path = urlsplit(attempt.redirect_uri).path

    def receive(self, target: str, host: str | None) -> tuple[Page, str | CommandError | None]:
        """The page for a GET of ``target``, and the answer if ``target`` contains one."""
        path, _, query = target.partition("?")
        # A web page whose host name resolves to this machine (DNS rebinding) sends its own name in Host.
        if path != self._path or host not in self._hosts:
            return Page.NOTHING_HERE, None
        try:
            code = self._attempt.read_answer(query)
        except CommandError as error:
            return (Page.DENIED if error.exit_status == DENIED else Page.FAILED), error
        return (Page.NOT_OURS, None) if code is None else (Page.DONE, code)

    def hand_over(self, answer: str | CommandError) -> None:
        self._answers.put(answer)


class _Handler(BaseHTTPRequestHandler):
    timeout = 5  # seconds that a connection may stay silent
    server: _Server

    def do_GET(self) -> None:
        desk = self.server.desk
        if desk is None:
            return
        page, answer = desk.receive(self.path, self.headers.get("Host"))
        if page is Page.DONE and answer is not None:
            desk.hand_over(answer)
            self._send_ending(desk.ending)
            return
        try:
            self._send(page)
        finally:  # even if the browser closed the connection; after the page, since the listener closes when it has an answer
            if answer is not None:
                desk.hand_over(answer)

    def _send_ending(self, ending: Ending) -> None:
        try:
            self._send(*ending.wait())
        finally:
            ending.confirm()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """The base class repeats the request in its error pages; ours say nothing."""
        self._send(Page.NOTHING_HERE)

    def version_string(self) -> str:
        return "oauthguard"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class names it
        """Log nothing, since the request line contains the code."""

    def _send(self, page: Page, name: str | None = None) -> None:
        body = page.render(name)
        self.close_connection = True
        self.send_response(page.status)
        for name, value in {**HEADERS, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _format_host(server: _Server) -> str:
    host, port = server.server_address[:2]
    return f"[{host!s}]:{port}" if ":" in str(host) else f"{host!s}:{port}"
