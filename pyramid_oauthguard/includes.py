"""What the packages share when an application is configured: names for Pyramid's errors, utilities, objects given to directives."""

from __future__ import annotations

import inspect
from typing import Any

from pyramid.config.actions import ActionInfo

from .errors import OAuthGuardError, SettingError
from .locations import find_call

__all__ = ["build_class_error", "name_include", "needs_object", "require_included"]


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


def needs_object(given: object, *names: str) -> bool:
    """Whether ``given`` is a class, and one of these methods of it can only be called with an object."""
    return isinstance(given, type) and any(
        inspect.isfunction(inspect.getattr_static(given, name, None)) for name in names
    )


def build_class_error(directive: str, given: object, arguments: str = "") -> SettingError:
    """The error of a directive that was given a class in place of an object."""
    name = getattr(given, "__name__", "")
    text = f"{name} is a class, whose methods can't be called without an object"
    return SettingError(directive, text, f"give an object, such as {name}({arguments})")
