"""Numbers of what happens, for listeners. There is none unless the application includes ``pyramid_oauthguard.metrics``: then a
note costs a look at an empty tuple, and it is made only where something is fetched, stored, dropped or refused.

Labels are words of the code and names in the settings. Nothing of a token or of a request is one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["PLAIN", "count_fetch", "is_heard", "listen", "name_issuer", "note", "stop"]

Listener = Callable[[str, tuple[str, ...], float], None]

#: The label of the issuer that has no name in the settings.
PLAIN = "-"


class _Heard:
    """Who listens in this process."""

    listeners: tuple[Listener, ...] = ()


def listen(listener: Listener) -> None:
    """Call ``listener(name, labels, value)`` for each note from now on. It must not raise anything."""
    if listener not in _Heard.listeners:
        _Heard.listeners += (listener,)


def stop() -> None:
    """Forget all who listen, for tests."""
    _Heard.listeners = ()


def is_heard() -> bool:
    """Whether anybody listens; for what costs something to find out."""
    return bool(_Heard.listeners)


def note(name: str, *labels: str, value: float = 1.0) -> None:
    """Something happened once, or took or has ``value``."""
    for listener in _Heard.listeners:
        listener(name, labels, value)


def name_issuer(name: str | None) -> str:
    """The label of an issuer: its name in the settings."""
    return PLAIN if name is None else name


@contextmanager
def count_fetch(issuer: str, kind: str) -> Iterator[None]:
    """Count a question to an issuer, and time it."""
    began, outcome = time.perf_counter(), "failed"
    try:
        yield
        outcome = "answered"
    finally:
        note("fetches", issuer, kind, outcome)
        note("fetch", issuer, kind, value=time.perf_counter() - began)
