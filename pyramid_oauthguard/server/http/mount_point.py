"""Addresses of the server's own routes: below the mount point of the application, on the issuer's host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urlsplit

from pyramid.request import Request

from ..settings import ServerSettings

__all__ = ["build_path", "build_url", "find_mount"]

_WELL_KNOWN: Final = ".well-known"
#: Characters that a path may contain unescaped (RFC 3986 section 3.3), and the slash between segments.
_PATH_SAFE: Final = "/~!$&'()*+,;=:@"


def find_mount(request: Request) -> str:
    """The path below which the application is mounted (``SCRIPT_NAME``), percent-encoded, without a slash at its end."""
    # WSGI gives bytes as Latin-1 text, and they need not be UTF-8.
    script_name = request.environ.get("SCRIPT_NAME", "").encode("latin-1", "replace")
    return quote(script_name, safe=_PATH_SAFE).rstrip("/")


def build_path(request: Request, route_name: str, query: Mapping[str, str] | None = None, **parts: str) -> str:
    """The path of a route for the browser that sent ``request``, with ``query`` behind it.

    :param parts: the values of the pattern's placeholders.
    """
    path: str = request.route_url(route_name, _app_url=find_mount(request), _query=query, **parts)
    return path


def build_url(request: Request, route_name: str, settings: ServerSettings) -> str:
    """The absolute URL of a route. Scheme, host and port are those of the issuer; the Host header is not used."""
    mount = find_mount(request)
    if _WELL_KNOWN in mount.split("/"):
        # The application is mounted a second time for its metadata. Its endpoints are below the path of the issuer.
        mount = urlsplit(settings.issuer).path.rstrip("/")
    path: str = request.route_url(route_name, _app_url=mount)
    return settings.origin + path
