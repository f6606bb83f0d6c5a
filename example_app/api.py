"""The API half: routes, guard, CORS."""

from __future__ import annotations

from typing import Final

from pyramid.config import Configurator

from .problems import add_resource
from .resources import Customer, Customers
from .settings import read_example

__all__: list[str] = []

# 18 digits are inside 64 bits, and each id has one form; any other address is 404.
_ID: Final = "[1-9][0-9]{0,17}"


def includeme(config: Configurator) -> None:
    """Guard the application with the tokens of ``oauthguard.issuer`` and serve the customers."""
    config.include("pyramid_oauthguard")
    config.include(".cors")
    add_resource(config, "customers", "/customers", "GET", "HEAD", "POST", factory=Customers)
    add_resource(config, "customer", f"/customers/{{id:{_ID}}}", "GET", "HEAD", factory=Customer)
    add_resource(config, "charges", f"/customers/{{id:{_ID}}}/charges", "POST", factory=Customer)
    add_resource(config, "charge", f"/customers/{{id:{_ID}}}/charges/{{charge:{_ID}}}", "GET", "HEAD", factory=Customer)
    add_resource(config, "public", "/api/public", "GET", "HEAD")
    add_resource(config, "private", "/api/private", "GET", "HEAD")
    add_resource(config, "private_scoped", "/api/private-scoped", "GET", "HEAD")
    config.scan(".views.customers")
    config.scan(".views.messages")
    if read_example(config.get_settings()).mcp:
        config.include(".mcp")
