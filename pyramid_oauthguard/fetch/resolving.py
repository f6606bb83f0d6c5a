"""Resolving a host name in limited time: the system's resolver cannot be interrupted."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from typing import Final

from .. import processes

__all__ = ["BusyResolverError", "Resolver"]

_MAX_RUNNING: Final = 8
_MAX_ADDRESSES: Final = 16


class BusyResolverError(OSError):
    """Other names keep all threads busy. This says nothing about the name that was asked for."""


class Resolver:
    """Resolves names in threads of its own. A thread that the system's resolver keeps longer than the caller waits ends by
    itself; until then, it counts against the number of threads.

    :param look_up: returns the addresses of a host, or raises OSError.
    """

    def __init__(self, look_up: Callable[[str, int], list[str]] | None = None) -> None:
        self.look_up = look_up or _look_up
        self._renew()
        processes.register(self, Resolver._renew)

    def resolve(self, host: str, port: int, deadline: float) -> list[str]:
        """All addresses of ``host``, in the order of the system.

        :param deadline: on the clock :func:`time.monotonic`.
        :raises OSError: there are none, or too many; it takes too long; or too many names are being resolved.
        """
        slots = self._slots
        if not slots.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise BusyResolverError("too many names are being resolved")
        found: list[str] = []
        failure: list[OSError] = []

        def run() -> None:
            try:
                found.extend(self.look_up(host, port))
            except OSError as error:
                failure.append(error)
            except Exception as error:  # noqa: BLE001  # UnicodeError of a name that the codec of the system refuses
                failure.append(OSError(type(error).__name__))
            finally:
                slots.release()

        thread = threading.Thread(target=run, name="oauthguard-resolver", daemon=True)
        try:
            thread.start()
        except BaseException:
            slots.release()
            raise
        thread.join(max(0.0, deadline - time.monotonic()))
        if thread.is_alive():
            raise TimeoutError("the name was not resolved in time")
        if failure:
            raise failure[0]
        if not 0 < len(found) <= _MAX_ADDRESSES:
            raise OSError(f"the name has {len(found)} addresses")
        return found

    def _renew(self) -> None:
        self._slots = threading.BoundedSemaphore(_MAX_RUNNING)


def _look_up(host: str, port: int) -> list[str]:
    answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for _family, _type, _protocol, _name, address in answers))
