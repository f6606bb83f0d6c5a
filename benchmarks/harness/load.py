"""Load over keep-alive connections, from one thread: as fast as answers come, all at once, or at fixed times."""

from __future__ import annotations

import re
import selectors
import socket
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

__all__ = ["Answers", "Load", "compose"]

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE).search


@dataclass(slots=True)
class Answers:
    """What came back.

    :ivar statuses: how many of each; 0 counts the connections closed without an answer.
    :ivar times: for each request sent at a fixed time, when that was and how long its answer took, in seconds.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    times: list[tuple[float, float]] = field(default_factory=list)


def compose(path: str, token: str | None) -> bytes:
    """A GET request with this bearer token."""
    lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", "Accept: application/json"]
    if token is not None:
        lines.append(f"Authorization: Bearer {token}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


class _Connection:
    """One at a time: a request, its answer. Made again when the server closes it."""

    def __init__(self, port: int, selector: selectors.BaseSelector) -> None:
        self._port = port
        self._selector = selector
        self.sent_at: float | None = None
        self._open()

    def _open(self) -> None:
        self._received = b""
        self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._selector.register(self._socket, selectors.EVENT_READ, self)

    def close(self) -> None:
        self._selector.unregister(self._socket)
        self._socket.close()

    def send(self, request: bytes) -> None:
        self.sent_at = time.perf_counter()
        self._socket.sendall(request)

    def receive(self) -> int | None:
        """The status of the answer once the whole of it is here, 0 for none at all; None before, or when none is due."""
        try:
            data = self._socket.recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            self.close()
            self._open()
            return None if self.sent_at is None else 0
        self._received += data
        head, blank, body = self._received.partition(b"\r\n\r\n")
        if not blank:
            return None
        length = _LENGTH(head + b"\r\n")
        if length is None or len(body) < int(length[1]):
            return None
        self._received = b""
        return int(head[9:12])


class Load:
    """``connections`` to a server on this machine."""

    def __init__(self, port: int, connections: int = 8) -> None:
        self._selector = selectors.DefaultSelector()
        self._connections = [_Connection(port, self._selector) for _ in range(connections)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        for connection in self._connections:
            connection.close()
        self._selector.close()

    def drive(self, requests: Iterable[bytes]) -> Answers:
        """Send them all, each connection its next one as soon as it has an answer."""
        answers, following = Answers(), iter(requests)
        busy = sum(self._send_next(connection, following) for connection in self._connections)
        while busy:
            for connection, status, _sent_at in self._await(None):
                answers.statuses[status] += 1
                busy -= 1
                busy += self._send_next(connection, following)
        return answers

    def schedule(self, requests: Sequence[tuple[float, bytes]]) -> Answers:
        """Send each at its time, in seconds from now, whatever became of the ones before.

        There must be as many connections as may be waiting at a time.
        """
        answers, begun = Answers(), time.perf_counter()
        free, waiting, position = list(self._connections), 0, 0
        while position < len(requests) or waiting:
            now = time.perf_counter() - begun
            while position < len(requests) and requests[position][0] <= now:
                free.pop(0).send(requests[position][1])
                waiting, position = waiting + 1, position + 1
            pause = max(0.0, requests[position][0] - now) if position < len(requests) else None
            for connection, status, sent_at in self._await(pause):
                answers.statuses[status] += 1
                answers.times.append((sent_at - begun, time.perf_counter() - sent_at))
                free.append(connection)
                waiting -= 1
        return answers

    def _send_next(self, connection: _Connection, following: Iterator[bytes]) -> int:
        request = next(following, None)
        if request is None:
            return 0
        connection.send(request)
        return 1

    def _await(self, pause: float | None) -> Iterator[tuple[_Connection, int, float]]:
        for key, _events in self._selector.select(60 if pause is None else pause):
            connection: _Connection = key.data
            status, sent_at = connection.receive(), connection.sent_at
            if status is not None and sent_at is not None:
                connection.sent_at = None
                yield connection, status, sent_at
