"""What this API says about itself: protected resource metadata (RFC 9728)."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

__all__ = ["ROUTE", "WELL_KNOWN", "build_metadata_url", "render_metadata"]

ROUTE: Final = "oauthguard.resource_metadata"
WELL_KNOWN: Final = "/.well-known/oauth-protected-resource"


def build_metadata_url(resource: str) -> str:
    """Where the document of ``resource`` is: the well-known part goes before its path (RFC 9728 section 3)."""
    parts = urlsplit(resource)
    path = WELL_KNOWN + (parts.path if parts.path != "/" else "")
    return urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))


def render_metadata(request: Any) -> dict[str, Any]:
    """RFC 9728 section 2. Open to everybody: whoever has no token yet needs it."""
    settings = request.registry.oauthguard.settings
    return {
        "resource": settings.resource,
        "authorization_servers": [settings.issuer],
        "bearer_methods_supported": ["header"],
    }
