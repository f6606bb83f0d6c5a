"""Replaces, in a forked child process, the objects that must not be shared with the parent. Their owners register here.

A child of ``os.fork`` has copies of all objects of its parent, but none of its threads. It must not use a copied socket:
two processes that share a connection read each other's answers. It must not wait for a copied lock, event or flag that
only a thread of the parent would release. So a child replaces them before it does anything else.

NOT covered: locks inside C libraries (OpenSSL, SQLite, libpq). Another thread may hold one at the moment of the fork, and
Python cannot replace it.
"""

from __future__ import annotations

import atexit
import contextlib
import logging  # imported first: its fork handlers free the locks of logging, and must run before ours
import os
import socket
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

__all__ = ["abandon", "cut", "register", "renew_if_forked"]

logger = logging.getLogger("pyramid_oauthguard")

_Owner = TypeVar("_Owner")
_Step = Callable[[Any], object]


class _HasDescriptor(Protocol):
    def fileno(self) -> int: ...


@dataclass(frozen=True, slots=True)
class _Entry:
    owner: weakref.ref[Any]
    renew: _Step
    before: _Step | None
    after: _Step | None


#: By the identity of the owner, in the order of registration. Each access is one operation of the dictionary: no lock.
_entries: dict[int, _Entry] = {}
_abandoned: list[tuple[object, ...]] = []


class _Process:
    """The id of the process that was renewed last, and a lock so that one thread only renews it."""

    def __init__(self) -> None:
        self.number = os.getpid()
        self.turn = threading.Lock()


_current = _Process()


def register(
    owner: _Owner,
    renew: Callable[[_Owner], object],
    *,
    before: Callable[[_Owner], object] | None = None,
    after: Callable[[_Owner], object] | None = None,
) -> None:
    """Call ``renew(owner)`` in each child process that is forked from now on, for as long as ``owner`` lives.

    Only a weak reference to ``owner`` is kept. A second registration of the same owner replaces the first one.

    :param renew: runs in the child, first for the owner that was registered first. It replaces what the parent made.
        It must neither wait for a lock that existed before the fork nor use the network. An error is logged.
    :param before: runs in the parent just before the fork, in the opposite order. It delays the fork.
    :param after: runs in the parent after the fork, in the thread that forked.
    """
    key = id(owner)

    def forget(_reference: object) -> None:
        _entries.pop(key, None)

    _entries[key] = _Entry(weakref.ref(owner, forget), renew, before, after)


def abandon(*things: object) -> None:
    """Keep ``things`` of the parent for as long as this child process lives, so that no finalizer of them runs here.

    A finalizer could end the parent's session on a connection, or wait for a lock that is never released.
    """
    if not _abandoned:
        atexit.register(_keep_past_exit)
    _abandoned.append(things)


def cut(thing: _HasDescriptor) -> None:
    """Replace the file descriptor of ``thing`` in this process by a closed socket with the same number.

    The parent's connection stays open, and nothing is sent on it: no rollback, no TLS close_notify and no other last message
    of a protocol. A read returns the end of the stream.
    """
    try:
        descriptor = thing.fileno()
    except Exception:  # noqa: BLE001  # drivers raise errors of their own if the connection is closed
        return
    if descriptor < 0:
        return
    dead, other = socket.socketpair()
    with dead:
        other.close()
        os.dup2(dead.fileno(), descriptor, inheritable=False)


def renew_if_forked() -> None:
    """Detect a fork that Python did not make, such as one of a C program (uWSGI), and renew everything then.

    For code that is about to use a connection. It costs a system call.
    """
    if _current.number != os.getpid():
        with _current.turn:
            if _current.number != os.getpid():
                _renew_all()


def _renew_all() -> None:
    for entry in list(_entries.values()):
        _run(entry, entry.renew)
    _current.number = os.getpid()  # last: until then the other threads wait in renew_if_forked


def _run(entry: _Entry, step: _Step | None) -> None:
    owner = entry.owner()
    if owner is None or step is None:
        return
    try:
        step(owner)
    except BaseException as error:  # noqa: BLE001  # even an interruption must not keep the others from being renewed
        logger.error("%s is not prepared for a fork: %s", type(owner).__name__, type(error).__name__)


def _before_fork() -> None:
    for entry in reversed(list(_entries.values())):
        _run(entry, entry.before)


def _after_fork_in_parent() -> None:
    for entry in list(_entries.values()):
        _run(entry, entry.after)


def _after_fork_in_child() -> None:
    _current.turn = threading.Lock()
    _renew_all()


def _keep_past_exit() -> None:
    """Add a reference that is never released: at its end, the interpreter finalizes the objects that modules hold."""
    with contextlib.suppress(ImportError, AttributeError):
        import ctypes  # only the end of a child needs it

        ctypes.pythonapi.Py_IncRef(ctypes.py_object(_abandoned))


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
