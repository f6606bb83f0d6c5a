"""The OAuth errors (RFC 6749 section 5.2) that modules outside the grants raise.

Most are Authlib's: the server imports Authlib here, in the grants, and in the endpoints that subclass it, and nowhere else.
"""

from __future__ import annotations

from authlib.oauth2.base import OAuth2Error
from authlib.oauth2.rfc6749.errors import (
    AccessDeniedError,
    InvalidClientError,
    InvalidGrantError,
    InvalidRequestError,
    InvalidScopeError,
    UnauthorizedClientError,
    UnsupportedGrantTypeError,
)
from authlib.oauth2.rfc7591 import InvalidClientMetadataError, InvalidRedirectURIError

__all__ = [
    "AccessDeniedError",
    "InvalidClientError",
    "InvalidClientMetadataError",
    "InvalidGrantError",
    "InvalidRedirectURIError",
    "InvalidRequestError",
    "InvalidScopeError",
    "OAuth2Error",
    "ServerError",
    "UnauthorizedClientError",
    "UnsupportedGrantTypeError",
]


class ServerError(OAuth2Error):
    """RFC 6749 section 4.1.2.1: the error is in the server or the application, not in the request."""

    error = "server_error"
    description = "The server can't authorize this user."
