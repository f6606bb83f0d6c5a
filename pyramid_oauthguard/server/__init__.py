"""The authorization server (RFC 6749): ``config.include("pyramid_oauthguard.server")``."""

from __future__ import annotations

from typing import Any

from pyramid.interfaces import PHASE0_CONFIG, PHASE3_CONFIG

from .directives import add_oauth_grant, set_oauth_store, set_resource_owner

__all__ = ["includeme"]


def includeme(config: Any) -> None:
    """Make the application of ``config`` an authorization server; its settings are ``oauthguard.server.*``."""
    from .assembly import add_endpoints, start
    from .last_resort import add_last_resort
    from .route_order import keep_place

    keep_place(config)
    config.add_directive("add_oauth_grant", add_oauth_grant)
    config.add_directive("set_oauth_store", set_oauth_store)
    config.add_directive("set_resource_owner", set_resource_owner)
    config.action("oauthguard server endpoints", add_endpoints, args=(config,), order=PHASE0_CONFIG)
    add_last_resort(config)
    # Last: a configuration that fails leaves neither a database nor a key behind.
    config.action("oauthguard server", start, args=(config,), order=PHASE3_CONFIG + 10)
