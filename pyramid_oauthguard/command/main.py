"""The entry point of the ``oauthguard`` command. Needs nothing, so that it can say what is missing."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from typing import NoReturn

__all__ = ["main"]


def main() -> None:
    """Run the command line and end the process with the exit status of the contract."""
    try:
        from .ending import run_to_the_end
    except ImportError as error:
        missing = f"oauthguard: the command needs {error.name}, which is not installed"
        sys.stderr.write(f"{missing}; pip install 'pyramid_oauthguard[client]'\n")
        sys.exit(1)
    _leave(run_to_the_end())


def _leave(status: int) -> NoReturn:
    """End the process with ``status``, also where an application that a verb started left threads that do not end."""
    if any(thread is not threading.main_thread() and not thread.daemon for thread in threading.enumerate()):
        with contextlib.suppress(OSError, ValueError):  # the reader has gone
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)
    sys.exit(status)


if __name__ == "__main__":
    main()
