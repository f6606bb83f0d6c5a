"""What ``check`` and ``explain`` share: an option, and keeping the application's log from the terminal."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator
from typing import Final

import click

__all__ = ["START", "silence", "timeout_option"]

#: The first step of both: an application may wait for a database when it starts.
START: Final = "the start of the application"
#: The whole command then takes less than half a minute, with the start of the interpreter.
_DEADLINE_SECONDS: Final = 25.0

timeout_option = click.option(
    "--timeout",
    "seconds",
    type=click.FloatRange(min=1, max=3600),
    default=_DEADLINE_SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="End after this many seconds, even if a step has not ended.",
)


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Keep what the application logs from the terminal, unless it has a handler: the verb reports it itself. What the application
    prints is a message, and not a part of the data.
    """
    logger, handler = logging.getLogger(), logging.NullHandler()
    logger.addHandler(handler)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        logger.removeHandler(handler)
