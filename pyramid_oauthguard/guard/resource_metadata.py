"""What an API says about itself: protected resource metadata (RFC 9728), one document for each resource.

No part of a request gets into a document: not the Host header, not what a proxy says, not the mount point.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPNotFound
from pyramid.registry import Registry
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED

from .guarded_views import find_scopes, find_views
from .resources.table import WELL_KNOWN, Resource
from .settings import GuardSettings
from .state import get_guard, require_guard

__all__ = ["add_metadata", "build_document", "find_supported_scopes"]

ROUTE: Final = "oauthguard.resource_metadata"
_MOUNTED: Final = "oauthguard.resource_metadata.mounted"
_PREDICATE: Final = "oauthguard_resource_mounted"
_ADDED: Final = "_oauthguard_resource_metadata"
_SCOPES: Final = "_oauthguard_supported_scopes"
#: With line feeds: what follows the pattern would else end before the last one.
_REST: Final = "{path:(?s:.*)}"
#: It is about how long a client may stay signed in, not about what it may do: clients add it by themselves.
_NOT_OF_A_RESOURCE: Final = "offline_access"

#: The Fetch standard: any script may read the document, always without cookies.
_ANY_ORIGIN: Final = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "WWW-Authenticate"}
_PREFLIGHT: Final = {
    **_ANY_ORIGIN,
    "Access-Control-Allow-Methods": "GET",
    "Access-Control-Allow-Headers": "*",
    "Access-Control-Max-Age": "7200",
}


def answer_preflight(_request: Request) -> Response:
    """Clients send headers of their own with the request for the document, so browsers ask first."""
    response: Response = Response(status=204)
    response.headers.update(_PREFLIGHT)
    return response


def add_metadata(config: Configurator) -> None:
    """Serve the documents, at addresses that no route prefix moves: they are the RFC's. Once for an application."""
    if config.registry.__dict__.setdefault(_ADDED, False):
        return
    config.registry.__dict__[_ADDED] = True
    prefix, config.route_prefix = config.route_prefix, None
    try:
        config.add_route_predicate(_PREDICATE, _Mounted)
        config.add_route(ROUTE, WELL_KNOWN + _REST)
        # An application that is mounted below the well-known path sees only the rest of it.
        config.add_route(_MOUNTED, "/" + _REST, **{_PREDICATE: True})
    finally:
        config.route_prefix = prefix
    for name in (ROUTE, _MOUNTED):
        config.add_view(render_metadata, route_name=name, renderer="json", permission=NO_PERMISSION_REQUIRED)
        config.add_view(answer_preflight, route_name=name, request_method="OPTIONS", permission=NO_PERMISSION_REQUIRED)


class _Mounted:
    """Whether mount point and path together are the address of a document: a predicate of routes."""

    def __init__(self, _value: Any, _info: Any) -> None:
        pass

    def text(self) -> str:
        return "mount point and path are the address of a document"

    phash = text

    def __call__(self, _info: Any, request: Request) -> bool:
        mount = _decode(request.environ.get("SCRIPT_NAME", ""))
        path = mount + _decode(request.environ.get("PATH_INFO", ""))
        return mount.startswith(WELL_KNOWN) and any(
            path in _list_paths(each) for each in require_guard(request).resources
        )


def render_metadata(request: Request) -> dict[str, Any]:
    """RFC 9728 section 2. Open to any caller and to scripts of any origin: a client that has no token yet needs it."""
    request.response.headers.update(_ANY_ORIGIN)
    resource = _find_resource(request)
    if resource is None:  # elsewhere, a document would describe a resource that is not this one (section 3.3)
        raise HTTPNotFound
    return build_document(request.registry, resource)


def build_document(registry: Registry, resource: Resource) -> dict[str, Any]:
    """The document of a resource."""
    settings = get_guard(registry).settings
    document = {
        "resource": resource.identifier,
        "authorization_servers": list(_list_servers(settings)),
        "bearer_methods_supported": ["header"],
        "scopes_supported": list(find_supported_scopes(registry, resource)),
        "resource_name": resource.name,
        "resource_documentation": resource.documentation,
    }
    return {name: value for name, value in document.items() if value}


def _list_servers(settings: GuardSettings) -> Iterator[str]:
    """The issuers; of a template, those whose values are listed. A placeholder is not part of a URL."""
    for each in settings.list_issuers():
        if each.template is None:
            yield each.issuer
        else:
            yield from map(each.template.fill, sorted(each.template.values or ()))


def find_supported_scopes(registry: Registry, resource: Resource) -> tuple[str, ...]:
    """The scopes that a client may need for a resource: those that were named for it, or those that its views require."""
    if resource.scopes is not None:
        return resource.scopes
    known: dict[Resource, tuple[str, ...]] = registry.__dict__.setdefault(_SCOPES, {})
    if resource not in known:
        found = sorted({scope for scope in _list_scopes(registry, resource) if scope != _NOT_OF_A_RESOURCE})
        known[resource] = tuple(found)
    return known[resource]


def _list_scopes(registry: Registry, resource: Resource) -> Iterator[str]:
    guard = get_guard(registry)
    for view in find_views(registry, guard.settings):
        place = guard.resources.whole if view.pattern is None else guard.resources.find_by_pattern(view.pattern)
        if place is resource:
            yield from find_scopes(registry, view)


def _find_resource(request: Request) -> Resource | None:
    """The resource whose document is at the address of a request, also for an application below a mount point."""
    mount, path = (_decode(request.environ.get(name, "")) for name in ("SCRIPT_NAME", "PATH_INFO"))
    below = path.removeprefix(WELL_KNOWN)
    inserted = WELL_KNOWN + mount.rstrip("/") + below if below != path else path
    for resource in require_guard(request).resources:
        if not {path, mount + path, inserted}.isdisjoint(_list_paths(resource)):
            return resource
    return None


def _list_paths(resource: Resource) -> tuple[str, ...]:
    """Where a document is. That of the whole application is also at the place for applications without a path."""
    if resource.metadata_url is None:
        return ()
    path = unquote(urlsplit(resource.metadata_url).path)
    return (path,) if resource.segments else (path, WELL_KNOWN, WELL_KNOWN + _path_of(resource))


def _path_of(resource: Resource) -> str:
    return unquote(urlsplit(resource.identifier or "").path)


def _decode(path: str) -> str:
    """WSGI gives bytes as Latin-1 text, and they need not be UTF-8."""
    return path.encode("latin-1", "replace").decode("utf-8", "replace")
