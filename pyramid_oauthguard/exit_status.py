"""The exit statuses of the ``oauthguard`` command: one table for all verbs and checks."""

from __future__ import annotations

from typing import Final

from .errors import UnavailableError

__all__ = ["DENIED", "INACTIVE", "NETWORK", "OK", "REFUSED", "TIMEOUT", "USAGE", "find_exit_status"]

OK: Final = 0
#: The command line or a configuration is wrong: trying again without a change does not help.
USAGE: Final = 1
#: The server refused the request.
REFUSED: Final = 2
#: The user denied the request.
DENIED: Final = 3
#: Something did not end in time.
TIMEOUT: Final = 4
#: The token is inactive, or a check of it failed.
INACTIVE: Final = 5
#: The other side did not answer, or not with what the protocol says; trying again later may help.
NETWORK: Final = 6


def find_exit_status(error: UnavailableError) -> int:
    """USAGE if something has to be changed, NETWORK if trying again later may help."""
    return USAGE if error.lasting else NETWORK
