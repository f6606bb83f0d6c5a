"""An address on loopback in front of another program, which keeps every byte that was sent there."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Any, Self

__all__ = ["Recorder"]


class Recorder:
    """Passes connections on to ``target``, a port of loopback, and keeps what callers send.

    :ivar url: its own address, which the program behind it can use as its issuer identifier.
    """

    def __init__(self) -> None:
        self.target = 0
        self._sent: list[bytes] = []
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)
        for each in list(self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    @property
    def text(self) -> str:
        """All that was sent, in no order of connections."""
        return b"".join(self._sent).decode("latin-1")

    def clear(self) -> None:
        """Forget what was sent until now."""
        self._sent.clear()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self._listener.accept()[0],), daemon=True).start()

    def _serve(self, caller: socket.socket) -> None:
        with caller, suppress(OSError), socket.create_connection(("127.0.0.1", self.target)) as program:
            self._open |= {caller, program}
            back = threading.Thread(target=_pump, args=(program, caller, _drop), daemon=True)
            back.start()
            _pump(caller, program, self._sent.append)
            back.join()
            self._open -= {caller, program}


def _pump(source: socket.socket, sink: socket.socket, keep: Any) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            keep(data)
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def _drop(_data: bytes) -> None:
    """What a program answers is not kept."""
