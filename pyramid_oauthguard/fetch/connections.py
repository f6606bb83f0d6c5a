"""HTTP connections that end in time, know that they died while they were kept, and stay in the process that opened them."""

from __future__ import annotations

import errno
import socket
import ssl
import threading
import time
from typing import Any, Final, Self

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from .. import processes

__all__ = ["POOLS", "DeadlineTLSSocket", "OwnSocket", "StaleConnection", "clock"]

clock = threading.local()  # .deadline: when the exchange running in this thread must be over


class OwnSocket:
    """A socket that leads nowhere in a child of the process that opened it."""

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Self:  # ssl makes its sockets without __init__
        made = super().__new__(cls)  # the sockets of gevent are objects of Python, whose __new__ takes nothing else
        processes.register(made, _leave)
        return made


def _leave(inherited: Any) -> None:
    processes.cut(inherited)
    inherited.close()


class _DeadlineSocket(OwnSocket, socket.socket):
    """Reads only while the deadline of the exchange lies ahead, however slowly the bytes drip."""

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        _arm(self)
        return super().recv_into(*args, **kwargs)


class DeadlineTLSSocket(OwnSocket, ssl.SSLSocket):
    """The same with TLS."""

    def getpeername(self) -> Any:
        """Close a connection that was reset: :mod:`ssl` asks before the handshake, and leaves it open if that fails."""
        try:
            return super().getpeername()
        except OSError as error:
            self.close()
            raise ConnectionResetError(errno.ECONNRESET, "reset before the TLS handshake") from error

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        _arm(self)
        return super().recv_into(*args, **kwargs)


def _arm(sock: socket.socket) -> None:
    remaining = clock.deadline - time.monotonic()
    if remaining <= 0:
        raise TimeoutError("the answer took too long")
    sock.settimeout(remaining)


class StaleConnection(OSError):
    """The other side had closed a connection that was kept, as it may: nothing of the exchange took place there."""


class _Kept:
    """Tells a connection that died while it was kept from an origin that does not answer.

    By whether it ever had an answer: that there is a socket says nothing, for TLS is set up before the first request.
    """

    _answered = False

    def connect(self) -> None:
        self._answered = False
        super().connect()  # type: ignore[misc]

    def request(self, *args: Any, **kwargs: Any) -> None:
        try:
            super().request(*args, **kwargs)  # type: ignore[misc]
        except ConnectionError as error:
            if self._answered:
                raise StaleConnection from error
            raise

    def getresponse(self) -> Any:
        try:
            response = super().getresponse()  # type: ignore[misc]
        except ConnectionError as error:  # RemoteDisconnected, where no byte of an answer came, is one
            if self._answered:
                raise StaleConnection from error
            raise
        self._answered = True
        return response


class _Connection(_Kept, HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return _add_deadline(super()._new_conn())


class _TLSConnection(_Kept, HTTPSConnection):
    """Its socket class comes from the context, see Fetcher. What a proxy answers comes before TLS."""

    def _new_conn(self) -> socket.socket:
        plain = super()._new_conn()
        return plain if self.proxy is None else _add_deadline(plain)


def _add_deadline(plain: socket.socket) -> socket.socket:
    timeout = plain.gettimeout()
    timed = _DeadlineSocket(plain.family, plain.type, plain.proto, fileno=plain.detach())
    timed.settimeout(timeout)
    return timed


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


#: The classes of connection pools, by scheme. The socket class of TLS comes from the context: DeadlineTLSSocket.
POOLS: Final = {"http": _Pool, "https": _TLSPool}
