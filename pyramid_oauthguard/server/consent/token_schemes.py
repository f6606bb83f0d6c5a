"""Which Authorization headers carry an access token: the schemes Bearer (RFC 6750) and DPoP (RFC 9449).

The guard reads a token strictly and from a well-formed header only. The question here is wider on purpose: could any
policy of the application take this header for an access token? Pages for users ask it, so that a token is never a user.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["brings_token"]

#: The scheme begins the header, or follows a separator: WSGI servers join several headers to one, mostly with a comma.
#: What follows the scheme is not looked at, because parsers differ there ("Bearer\tx", "Bearer:x", "Bearerx").
_SCHEME: Final = re.compile(r"(?:^|[\s,;])(?:bearer|dpop)", re.IGNORECASE).search


def brings_token(header: str | None) -> bool:
    """Whether an Authorization header may carry an access token, well-formed or not.

    :param header: the header as the WSGI server gives it; None without one.

    A header of another scheme that contains such a word after a separator counts too. Says nothing about the token.
    """
    return header is not None and _SCHEME(header) is not None
