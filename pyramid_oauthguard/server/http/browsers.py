"""Whether a browser that shows pages sent a request, or a program that reads JSON."""

from __future__ import annotations

from typing import Final

from pyramid.request import Request
from webob.acceptparse import create_accept_header

__all__ = ["prefers_page"]

_JSON: Final = "application/json"
_PAGE: Final = "text/html"
#: Browsers send about a hundred.
_MAX_CHARACTERS: Final = 1_000


def prefers_page(request: Request) -> bool:
    """Whether the header ``Accept`` prefers HTML to JSON (RFC 9110 section 12.5.1). Without it, or with ``*/*``, it does
    not."""
    header = request.environ.get("HTTP_ACCEPT", "")[:_MAX_CHARACTERS]
    # With equal quality, the first offer wins.
    ranked: list[tuple[str, float]] = create_accept_header(header or None).acceptable_offers([_JSON, _PAGE])
    return bool(ranked) and ranked[0][0] == _PAGE
