"""Is this application's guard sound: issuer, keys, clock, introspection, views."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Final

from pyramid.authorization import ACLHelper
from pyramid.interfaces import IRootFactory, IRoutesMapper
from pyramid.security import NO_PERMISSION_REQUIRED
from pyramid.traversal import DefaultRootFactory

from ..errors import UnavailableError
from ..interfaces import Finding, IIssuer, ITokenVerifier
from .assembly import build_http_issuer
from .keyset import build_key_set
from .settings import GuardSettings
from .state import get_guard
from .verifiers.remote import RemoteVerifier

__all__ = ["check_guard"]

_NETWORK: Final = 6
#: No issuer knows such a token; it has the form of one all the same.
_PROBE: Final = "oauthguard-check-probe"


def check_guard(registry: Any) -> Iterator[Finding]:
    """What is right and wrong with the guard of the application. Asks the issuer, live."""
    settings = get_guard(registry).settings
    issuer = registry.queryUtility(IIssuer, name=settings.issuer)
    if issuer is None:
        issuer = build_http_issuer(settings)
        yield from _check_metadata(issuer, settings)
    else:
        yield Finding("ok", "oauthguard.issuer", f"{settings.issuer} runs in this process")
    yield from _check_keys(issuer, settings)
    views = list(_find_views(registry, settings))
    if any(view["mode"] == "remote" for view in views):
        yield from _check_introspection(registry, issuer, settings)
    for view in views:
        yield _judge_view(registry, view)


def _check_metadata(issuer: Any, settings: GuardSettings) -> Iterator[Finding]:
    if settings.jwks_uri and settings.introspection_endpoint:
        yield Finding("ok", "metadata", "not needed: jwks_uri and introspection.endpoint are set")
        return
    try:
        metadata = issuer.fetch_metadata()
    except UnavailableError as error:
        yield Finding("error", "oauthguard.issuer", str(error), "every guarded request will answer 503", _NETWORK)
        return
    yield Finding("ok", "oauthguard.issuer", f"{metadata.url} describes {metadata.issuer}")
    if metadata.date is not None:
        yield _judge_clock(metadata.date - time.time(), settings.leeway)


def _judge_clock(difference: float, leeway: float) -> Finding:
    text = f"the issuer's clock is {abs(difference):.0f} s {'ahead' if difference > 0 else 'behind'}"
    if abs(difference) <= max(leeway, 2):
        return Finding("ok", "clock", text)
    return Finding("warning", "clock", text, f"more than oauthguard.leeway ({leeway:g} s): set this machine's clock")


def _check_keys(issuer: Any, settings: GuardSettings) -> Iterator[Finding]:
    try:
        document = issuer.fetch_keys()
    except UnavailableError as error:
        yield Finding("error", "keys", str(error), "every token will be refused with 503", _NETWORK)
        return
    keys = build_key_set(document.keys, settings.algorithms)
    for kid, algorithms in keys.describe():
        yield Finding("ok", "keys", f"{kid or '(without kid)'} verifies {' '.join(algorithms)}")
    if not keys:
        hint = "compare oauthguard.algorithms with what the issuer signs with"
        yield Finding("error", "keys", f"none of {len(document.keys)} keys is usable under the settings", hint)


def _check_introspection(registry: Any, issuer: Any, settings: GuardSettings) -> Iterator[Finding]:
    if not isinstance(registry.queryUtility(ITokenVerifier, name="remote"), RemoteVerifier):
        yield Finding("ok", "introspection", "the application has a verifier of its own for remote checks")
        return
    try:
        issuer.introspect(_PROBE)
    except UnavailableError as error:
        hint = "remote checks will answer 503; see oauthguard.introspection.*"
        yield Finding("error", "oauthguard.introspection", str(error), hint, _NETWORK)
        return
    yield Finding("ok", "introspection", "answers, and lets this application ask")


def _find_views(registry: Any, settings: GuardSettings) -> Iterator[dict[str, Any]]:
    """The guarded views: where, how checked, what required, which permission."""
    for each in registry.introspector.get_category("views", []):
        view = each["introspectable"]
        permissions = [r for r in each["related"] if r.category_name == "permissions"]
        permission = permissions[0]["value"] if permissions else None
        mode = view.get("token_check")
        if permission == NO_PERMISSION_REQUIRED:
            permission = None
        if mode is None and view.get("token_require") is None and permission is None:
            continue
        yield {
            "route": view.get("route_name"),
            "context": view.get("context"),
            "name": view.get("name"),
            "methods": view.get("request_methods"),
            "mode": mode or settings.token_check,
            "require": view.get("token_require"),
            "permission": permission,
        }


def _judge_view(registry: Any, view: dict[str, Any]) -> Finding:
    methods = view["methods"]
    shown = " ".join([methods] if isinstance(methods, str) else methods) if methods else "any method"
    place = _find_pattern(registry, view["route"]) or f"context {view['context']!r} view {view['name']!r}"
    text = f"checked {view['mode']}, requires {view['require'] or 'nothing more'}, permission {view['permission']}"
    subject = f"{shown} {place}"
    if view["permission"] is not None and _is_hopeless(registry, view):
        return Finding("warning", subject, text, "no ACL grants this permission to anybody: every request gets 403")
    return Finding("ok", subject, text)


def _find_pattern(registry: Any, route_name: str | None) -> str | None:
    if route_name is None:
        return None
    mapper = registry.queryUtility(IRoutesMapper)
    route = mapper.get_route(route_name) if mapper is not None else None
    return route.pattern if route is not None else route_name


def _is_hopeless(registry: Any, view: dict[str, Any]) -> bool:
    """Whether the ACLs that can be seen without a request grant the permission to nobody.

    An ACL that is computed can't be judged, nor can a context whose parents are only known at run time.
    """
    resource = _find_resource(registry, view)
    if resource is DefaultRootFactory:
        return True
    acl = getattr(resource, "__acl__", None)
    if not isinstance(acl, (list, tuple)) or getattr(resource, "__parent__", None) is not None:
        return False
    granted = ACLHelper().principals_allowed_by_permission(_Seen(acl), view["permission"])
    return not granted


def _find_resource(registry: Any, view: dict[str, Any]) -> Any:
    if isinstance(view["context"], type):
        return view["context"]
    mapper = registry.queryUtility(IRoutesMapper)
    route = mapper.get_route(view["route"]) if mapper is not None and view["route"] else None
    factory = getattr(route, "factory", None)
    return factory or registry.queryUtility(IRootFactory) or DefaultRootFactory


class _Seen:
    def __init__(self, acl: Any) -> None:
        self.__acl__ = acl
