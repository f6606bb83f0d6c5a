"""A real waitress on a free port of this machine, and requests of any bytes to it."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from waitress.server import create_server

__all__ = ["Answer", "Server", "serve"]


@dataclass(frozen=True)
class Answer:
    """What came back, taken apart just enough."""

    status: int
    headers: dict[str, list[str]]
    body: bytes


class Server:
    """Where an application is served."""

    def __init__(self, port: int) -> None:
        self.port = port

    def send(self, data: bytes, timeout: float = 20) -> bytes:
        """Everything that comes back to these very bytes until the server hangs up, or says no more."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as connection:
            try:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # it has refused what it saw so far
            received = b""
            with contextlib.suppress(OSError):
                while chunk := connection.recv(65536):
                    received += chunk
        return received

    def ask(self, path: bytes, *headers: bytes, method: bytes = b"GET", body: bytes = b"") -> Answer:
        """One request with these header lines."""
        length = [b"Content-Length: %d" % len(body)] if body else []
        lines = [b"%s %s HTTP/1.1" % (method, path), b"Host: here", b"Connection: close", *length, *headers]
        return parse(self.send(b"\r\n".join(lines) + b"\r\n\r\n" + body))


def parse(received: bytes) -> Answer:
    head, _, body = received.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    headers: dict[str, list[str]] = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers.setdefault(name.strip().lower(), []).append(value.strip())
    return Answer(int(status.split(" ")[1]), headers, body)


@contextlib.contextmanager
def serve(app: Any, **options: Any) -> Iterator[Server]:
    """Serve the WSGI application for the length of a `with` block."""
    channels: dict[int, Any] = {}
    server = create_server(app, map=channels, host="127.0.0.1", port=0, **{"threads": 2, **options})
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield Server(server.effective_port)
    finally:
        # In the server's own thread, which sleeps until something pulls its trigger; a request that just ended may do so
        # before we do, and then the trigger is closed already.
        with contextlib.suppress(OSError):
            server.trigger.pull_trigger(lambda: [each.close() for each in list(channels.values())])
        thread.join(10)
        server.task_dispatcher.shutdown(timeout=5)
