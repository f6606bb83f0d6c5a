"""The authorization server (RFC 6749): ``config.include("pyramid_oauthguard.server")``."""

from __future__ import annotations

from typing import Any

from pyramid.events import ApplicationCreated
from pyramid.interfaces import PHASE0_CONFIG

from ..includes import name_include
from ..logs import install
from .directives import IAssembly, add_oauth_grant, set_oauth_store, set_resource_owner
from .http.exact_path import ExactPath

__all__ = ["includeme"]


def includeme(config: Any) -> None:
    """Make the application of ``config`` an authorization server; its settings are ``oauthguard.server.*``."""
    from .. import health
    from ..interfaces import IHealthProbes
    from .assembly import STARTED, add_endpoints, check_grants, start, take_up
    from .consent.pages import refuse_on_page
    from .http.route_order import EXACT, keep_place
    from .http.uncaught import add_last_resort
    from .self_check.probes import list_probes

    install()
    config = name_include(config)
    config.add_route_predicate(EXACT, ExactPath)
    keep_place(config)
    config.registry.registerUtility(take_up, IAssembly)
    config.add_directive("add_oauth_grant", add_oauth_grant)
    config.add_directive("set_oauth_store", set_oauth_store)
    config.add_directive("set_resource_owner", set_resource_owner)
    config.action("oauthguard server endpoints", add_endpoints, args=(config,), order=PHASE0_CONFIG)
    add_last_resort(config, refuse_on_page)
    config.registry.registerUtility(list_probes, IHealthProbes, name="server")
    config.include(health)
    config.action("oauthguard server", start, args=(config,), order=STARTED)
    if config.autocommit:
        config.add_subscriber(check_grants, ApplicationCreated)
