"""What ``oauthguard check`` says about the protected resources of an application."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

from ...interfaces import Finding
from ..resource_metadata import find_supported_scopes
from ..resources.table import Resource
from ..state import get_guard

__all__ = ["describe_resources"]


def describe_resources(registry: Any) -> Iterator[Finding]:
    """Each resource with its place, its scopes and its document; those that clients will not recognize."""
    for resource in get_guard(registry).resources:
        if resource.metadata_url is not None:
            yield _describe(registry, resource)


def _describe(registry: Any, resource: Resource) -> Finding:
    scopes = " ".join(find_supported_scopes(registry, resource)) or "none"
    path = unquote(urlsplit(resource.identifier or "").path)
    subject = f"resource {resource.identifier}"
    if resource.segments and not path.rstrip("/").endswith(resource.path):
        text = f"is at {resource.path}, but its own path is {path or '/'}"
        hint = "clients refuse a resource that their address does not begin with: is this what a proxy makes of it?"
        return Finding("warning", subject, text, hint)
    return Finding("ok", subject, f"{resource.path}, scopes {scopes}, described at {resource.metadata_url}")
