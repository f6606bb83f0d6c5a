"""The headers of pages: no script, or only our own, nothing from elsewhere, not in a frame, not kept by a cache."""

from __future__ import annotations

from typing import Final

from pyramid.response import Response

__all__ = ["PLAIN", "SCRIPTED", "SWAGGER", "set_page_headers"]

# No form-action: browsers hold redirects after a form to it as well, and signing in may end at a client's address.
_REST: Final = "base-uri 'none'; frame-ancestors 'none'"
PLAIN: Final = f"default-src 'none'; style-src 'self'; {_REST}"
#: With our own script, which calls this host only.
SCRIPTED: Final = f"default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; {_REST}"
#: Swagger UI draws its icons as data: images.
SWAGGER: Final = (
    f"default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self' data:; {_REST}"
)


def set_page_headers(response: Response, policy: str = PLAIN) -> None:
    """Set them on one answer."""
    response.headers.update(
        {
            "Cache-Control": "no-store",
            "Content-Security-Policy": policy,
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
        }
    )
