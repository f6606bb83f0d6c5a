"""GET /.well-known/… (RFC 8414): the members that the active endpoints and grants add, and no others."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.traversal import decode_path_info

from ...discovery import build_metadata_urls
from ..clients.entitlement import OFFLINE_ACCESS
from ..http.answers import build_answer
from ..http.cors import Readers
from ..http.mount_point import build_url, find_mount
from ..service import Service, find_service
from ..settings import ServerSettings
from .views import add_endpoint

__all__ = ["build_metadata", "describe", "include"]

ROUTE = "oauthguard.metadata"
_PREDICATE: Final = "oauthguard_mounted"


def include(config: Configurator, settings: ServerSettings) -> None:
    """Add a route for each place where a client may look: the first is the one of RFC 8414."""
    below, config.route_prefix = config.route_prefix, None  # well-known places are at the root of the host
    paths = [unquote(urlsplit(url).path) for url in build_metadata_urls(settings.issuer)]
    try:
        for number, path in enumerate(paths):
            name = ROUTE if number == 0 else f"{ROUTE}.{number}"
            add_endpoint(config, name, path, {"GET": answer_metadata}, readers=Readers.ANYBODY)
        _add_mounted(config, paths)
    finally:
        config.route_prefix = below


def _add_mounted(config: Configurator, paths: Iterable[str]) -> None:
    """Add the route for an application that is mounted below a part of one of these paths: it sees only the rest of the
    path."""
    tails = {path[len(head) :].lstrip("/") for path in paths for head in _find_heads(path)}
    pattern = "|".join(sorted(map(re.escape, tails)))
    config.add_route_predicate(_PREDICATE, _Mounted)
    mounted: dict[str, Any] = {_PREDICATE: frozenset(paths)}
    add_endpoint(
        config, f"{ROUTE}.mounted", f"/{{tail:{pattern}}}", {"GET": answer_metadata}, readers=Readers.ANYBODY, **mounted
    )


def _find_heads(path: str) -> Iterator[str]:
    """``/a``, ``/a/b`` and ``/a/b/c`` of ``/a/b/c``."""
    parts = path.split("/")
    return ("/".join(parts[:number]) for number in range(2, len(parts) + 1))


class _Mounted:
    """Whether mount point and path together are one of the paths: a predicate of routes."""

    def __init__(self, paths: frozenset[str], _info: Any) -> None:
        self._paths = paths

    def text(self) -> str:
        return f"mount point and path are one of {', '.join(sorted(self._paths))}"

    phash = text

    def __call__(self, _info: Any, request: Request) -> bool:
        # A WSGI server may leave PATH_INFO out where it is empty (PEP 3333).
        path = decode_path_info(request.environ.get("PATH_INFO", ""))
        return unquote(find_mount(request)) + path.rstrip("/") in self._paths


def answer_metadata(request: Request) -> Any:
    """The metadata document; URLs have the issuer's host; the Host header is not used."""
    service = find_service(request)
    response = build_answer(200, build_metadata(service, lambda name: build_url(request, name, service.settings)))
    del response.headers["Pragma"]
    response.headers["Cache-Control"] = "public, max-age=3600"
    return response


def build_metadata(service: Service, locate: Callable[[str], str]) -> dict[str, Any]:
    """The document of RFC 8414 section 2.

    :param locate: the URL of a route by its name.
    """
    from . import ENDPOINTS

    document: dict[str, Any] = {"issuer": service.settings.issuer}
    for endpoint in ENDPOINTS:
        document |= endpoint.describe(service, locate)
    return {name: value for name, value in document.items() if value is not None}


def describe(service: Service, locate: Callable[[str], str]) -> dict[str, Any]:
    """The members of the metadata."""
    asks_refresh = {OFFLINE_ACCESS} if "refresh_token" in service.grants else set()
    return {
        "scopes_supported": sorted({*service.settings.scopes, *asks_refresh} - {service.settings.admin_scope}),
        # Required by RFC 8414; the authorization endpoint adds the values.
        "response_types_supported": [],
    }
