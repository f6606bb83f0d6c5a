"""A route predicate: the path of a request ends where the route's pattern ends.

Pyramid ends a pattern with ``$``, which also matches before a line feed: ``/oauth/introspect%0A`` would be
``/oauth/introspect``, while a proxy or a policy that judges paths takes it for another one.
"""

from __future__ import annotations

from typing import Any

from pyramid.config import Configurator
from pyramid.request import Request

__all__ = ["ExactPath"]


class ExactPath:
    """For ``config.add_route_predicate``; the value in ``config.add_route`` is True."""

    def __init__(self, value: Any, _config: Configurator) -> None:
        self.value = value

    def text(self) -> str:
        return f"exact path = {self.value}"

    phash = text

    def __call__(self, _info: Any, request: Request) -> bool:
        path: str = request.environ.get("PATH_INFO", "")
        return not path.endswith("\n")
