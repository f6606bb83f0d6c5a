"""An OpenAPI document (3.0 or 3.1) with the security of the views: scheme, scopes, refusals."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from pyramid.registry import Registry

from .operations import Operation, find_operations

__all__ = ["SCHEME", "secure_document"]

#: The name of the security scheme.
SCHEME: Final = "oauth2"
_METHODS: Final = ("get", "head", "post", "put", "patch", "delete", "options", "trace")
_PLACEHOLDER: Final = re.compile(r"\{[^{}]*\}")
_REFUSALS: Final = {
    "400": "The Authorization header can't be read.",
    "401": "There is no access token, or it is not accepted.",
    "403": "The access token does not have the scopes that are required.",
    "503": "The access token can't be checked at the moment.",
}
_PROBLEM: Final = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
}


def secure_document(
    document: Mapping[str, Any],
    registry: Registry,
    *,
    flows: Mapping[str, Mapping[str, str]] | None = None,
    scopes: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """A copy of ``document`` that says which operations need an access token, with which scopes.

    Each operation whose path and method belong to a guarded view gets ``security``, ``x-token-check`` (``local`` or
    ``remote``), and those answers of the guard (400, 401, 403, 503) that it does not describe itself. Other operations keep
    their ``security``, or get an empty one. Paths are compared without the names of their placeholders, below the path of each of ``servers``.

    :param flows: the OAuth flows by their OpenAPI names, such as ``{"authorizationCode": {"authorizationUrl": …,
        "tokenUrl": …}}``. Their scopes are filled in. Without it, the scheme is a bearer token.
    :param scopes: what scopes mean. They are added to those of the views.
    """
    found = copy.deepcopy(dict(document))
    operations = find_operations(registry)
    known = _index(operations)
    for path, method, operation in _list_operations(found):
        guarded = _find(known, _list_places(found, path), method)
        if guarded is None:
            operation.setdefault("security", [])
        else:
            operation["security"] = _build_security(guarded)
            operation["x-token-check"] = guarded.mode
            _add_refusals(operation)
    schemes = found.setdefault("components", {}).setdefault("securitySchemes", {})
    schemes[SCHEME] = _build_scheme(operations, flows, scopes or {})
    return found


def _build_scheme(
    operations: tuple[Operation, ...], flows: Mapping[str, Mapping[str, str]] | None, meanings: Mapping[str, str]
) -> dict[str, Any]:
    if flows is None:
        return {"type": "http", "scheme": "bearer"}
    required = {scope for each in operations for choice in each.alternatives for scope in choice}
    names = {name: meanings.get(name, "") for name in sorted(required | set(meanings))}
    return {"type": "oauth2", "flows": {name: {**flow, "scopes": names} for name, flow in flows.items()}}


def _build_security(operation: Operation) -> list[dict[str, list[str]]]:
    return [{SCHEME: list(scopes)} for scopes in operation.alternatives]


def _add_refusals(operation: dict[str, Any]) -> None:
    responses = operation.setdefault("responses", {})
    for status, description in _REFUSALS.items():
        if status not in responses:
            responses[status] = _build_refusal(status, description)


def _build_refusal(status: str, description: str) -> dict[str, Any]:
    name = "Retry-After" if status == "503" else "WWW-Authenticate"
    header = {"required": True, "schema": {"type": "string"}}
    content = {"application/problem+json": {"schema": copy.deepcopy(_PROBLEM)}}
    return {"description": description, "headers": {name: header}, "content": content}


def _index(operations: tuple[Operation, ...]) -> dict[tuple[str, str], Operation]:
    return {(_normalize(each.path), each.method.lower()): each for each in operations}


def _find(known: Mapping[tuple[str, str], Operation], places: list[str], method: str) -> Operation | None:
    for place in places:
        for each in (method, "get" if method == "head" else method, ""):
            if (place, each) in known:
                return known[place, each]
    return None


def _list_places(document: Mapping[str, Any], path: str) -> list[str]:
    """The patterns that a path of the document may have as a route: below the path of a server, or as it is."""
    servers = [each for each in document.get("servers") or () if isinstance(each, Mapping)]
    prefixes = [urlsplit(str(each.get("url", ""))).path.rstrip("/") for each in servers]
    return [_normalize(prefix + path) for prefix in dict.fromkeys([*prefixes, ""])]


def _normalize(path: str) -> str:
    return _PLACEHOLDER.sub("{}", path)


def _list_operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in (document.get("paths") or {}).items():
        for method in _METHODS:
            operation = item.get(method) if isinstance(item, dict) else None
            if isinstance(operation, dict):
                yield path, method, operation
