"""The API half: routes, guard, CORS."""

from __future__ import annotations

import re
from typing import Any, Final

from pyramid.config import Configurator
from pyramid.request import Request

from .problems import add_resource
from .resources import Customer, Customers
from .settings import read_example

__all__: list[str] = []

# 18 digits are inside 64 bits, and each id has one form; any other address is 404.
_ID: Final = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)


def includeme(config: Configurator) -> None:
    """Guard the application with the tokens of ``oauthguard.issuer`` and serve the customers."""
    config.include("pyramid_oauthguard")
    config.include(".cors")
    config.include(".validation")
    config.add_route_predicate("ids", _Ids)
    add_resource(config, "customers", "/customers", "GET", "HEAD", "POST", factory=Customers)
    add_resource(config, "customer", "/customers/{id}", "GET", "HEAD", factory=Customer, ids="id")
    add_resource(config, "charges", "/customers/{id}/charges", "POST", factory=Customer, ids="id")
    path = "/customers/{id}/charges/{charge}"
    add_resource(config, "charge", path, "GET", "HEAD", factory=Customer, ids="id charge")
    add_resource(config, "public", "/api/public", "GET", "HEAD")
    add_resource(config, "private", "/api/private", "GET", "HEAD")
    add_resource(config, "private_scoped", "/api/private-scoped", "GET", "HEAD")
    config.scan(".views.customers")
    config.scan(".views.messages")
    if read_example(config.get_settings()).mcp:
        config.include(".mcp")


class _Ids:
    """A route predicate: these placeholders are ids. Not in the pattern, which is the path of the API's document."""

    def __init__(self, names: str, _config: Any) -> None:
        self._names = names.split()

    def text(self) -> str:
        return f"ids = {' '.join(self._names)}"

    phash = text

    def __call__(self, info: Any, _request: Request) -> bool:
        return all(_ID.fullmatch(info["match"][name]) for name in self._names)
