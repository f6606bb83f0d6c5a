"""What ``config.include`` of one of our packages leaves: a name for Pyramid's errors, and utilities in the registry."""

from __future__ import annotations

from typing import Any

from pyramid.config.actions import ActionInfo

from .errors import OAuthGuardError
from .locations import find_call

__all__ = ["name_include", "require_included"]


def name_include(config: Any) -> Any:
    """A configurator for the rest of an ``includeme``, whose errors and conflicts name the line of ``config.include``.

    Without this, Pyramid names a line in the ``includeme``, or no line.
    """
    named, call = config.with_package(config.package), find_call()
    if call is not None:
        named.info = ActionInfo(call.file, call.line, call.function, call.source)
    return named


def require_included(registry: Any, interface: Any) -> Any:
    """The utility that the authorization server registers for ``interface``.

    :raises OAuthGuardError: the server isn't included, or its configuration isn't committed yet.
    """
    found = registry.queryUtility(interface)
    if found is None:
        raise OAuthGuardError("server_not_included")
    return found
