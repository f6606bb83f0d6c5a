"""The customers as tools of an MCP endpoint, for assistants that know nothing but its URL.

It is a resource of its own: tokens for the API are refused here, and tokens for this endpoint are refused there.
"""

from __future__ import annotations

from pyramid.config import Configurator

from ..problems import add_resource

__all__: list[str] = []


def includeme(config: Configurator) -> None:
    """Serve ``/mcp``, which clients know by the URL in ``example.mcp``."""
    config.add_protected_resource(
        "/mcp",
        config.registry.settings["example.mcp"],
        scopes="customers:read customers:charge",
        name="Customers, for assistants",
    )
    add_resource(config, "mcp", "/mcp", "POST")
    config.scan(".endpoint")
