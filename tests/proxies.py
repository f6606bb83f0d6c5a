"""An HTTP proxy on loopback that makes tunnels with CONNECT, and keeps what it was sent."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

__all__ = ["TunnelProxy"]


class TunnelProxy:
    """Connects `host:port` of CONNECT to the port of `hosts`, or to that port of loopback. `heads` are the requests it got."""

    def __init__(self, hosts: Mapping[str, int] | None = None, *, answer: bytes = b"HTTP/1.1 200 OK\r\n\r\n") -> None:
        self.heads: list[bytes] = []
        self._hosts = hosts or {}
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def targets(self) -> list[str]:
        """What was asked for, in order."""
        return [head.split(b" ")[1].decode() for head in self.heads]

    @contextmanager
    def running(self) -> Iterator[TunnelProxy]:
        thread = threading.Thread(target=self._accept, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            thread.join(5)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self._listener.accept()[0],), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            self._tunnel(client)

    def _tunnel(self, client: socket.socket) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n") and (more := client.recv(65536)):
            head += more
        self.heads.append(head)
        name, _, port = head.split(b" ")[1].decode().rpartition(":")
        if b" 200 " not in self._answer:
            client.sendall(self._answer)
            return
        with socket.create_connection(("127.0.0.1", self._hosts.get(name, int(port)))) as target:
            client.sendall(self._answer)
            back = threading.Thread(target=_pump, args=(target, client), daemon=True)
            back.start()
            _pump(client, target)
            back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
