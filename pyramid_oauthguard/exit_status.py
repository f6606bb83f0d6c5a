"""What a command's exit status says of an issuer that can't be asked: is it the configuration, or the network?"""

from __future__ import annotations

import re
from typing import Final

from .errors import UnavailableError

__all__ = ["CONFIGURATION", "NETWORK", "REFUSED", "TIMEOUT", "find_exit_status"]

CONFIGURATION: Final = 1
TIMEOUT: Final = 4
REFUSED: Final = 5
NETWORK: Final = 6
#: It answered, and will answer the same tomorrow.
_LASTING: Final = frozenset({
    "other_issuer", "no_metadata", "bad_metadata", "no_endpoint", "forbidden_url", "redirected", "not_json",
    "bad_jwks", "no_usable_keys", "introspection_refused",
})  # fmt: skip
#: It answered that it is not well; the words are those of the ground floor.
_UNWELL: Final = re.compile(r"answered (429|5\d\d)\b")


def find_exit_status(error: UnavailableError) -> int:
    """1 where something has to be changed, 6 where it may be better the next time."""
    return CONFIGURATION if error.reason in _LASTING and not _UNWELL.search(error.detail) else NETWORK
