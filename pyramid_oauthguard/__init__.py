"""OAuth 2.0 for Pyramid: guard an API, run an authorization server, get tokens.

``config.include("pyramid_oauthguard")`` guards an application with the tokens of one issuer,
``config.include("pyramid_oauthguard.server")`` makes it an authorization server, and the command
``oauthguard`` obtains tokens. This module imports no framework.
"""

from __future__ import annotations

from typing import Any

from .access_token import AccessToken
from .errors import (
    InsufficientScope,
    InsufficientUserAuthentication,
    InvalidRequest,
    InvalidToken,
    MissingToken,
    OAuthGuardError,
    SettingError,
    TokenError,
    UnavailableError,
)

__all__ = [
    "AccessToken",
    "InsufficientScope",
    "InsufficientUserAuthentication",
    "InvalidRequest",
    "InvalidToken",
    "MissingToken",
    "OAuthGuardError",
    "SettingError",
    "TokenError",
    "UnavailableError",
    "includeme",
]


def includeme(config: Any) -> None:
    """Guard the application of the Pyramid ``config``: the same as including ``pyramid_oauthguard.guard``."""
    config.include(".guard")
