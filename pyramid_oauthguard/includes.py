"""Lets Pyramid's errors name the ``config.include`` whose actions they are about."""

from __future__ import annotations

from typing import Any

from pyramid.config.actions import ActionInfo

from .locations import find_call

__all__ = ["name_include"]


def name_include(config: Any) -> Any:
    """A configurator for the rest of an ``includeme``, whose errors and conflicts name the line of ``config.include``.

    Without this, Pyramid names a line in the ``includeme``, or no line.
    """
    named, call = config.with_package(config.package), find_call()
    if call is not None:
        named.info = ActionInfo(call.file, call.line, call.function, call.source)
    return named
