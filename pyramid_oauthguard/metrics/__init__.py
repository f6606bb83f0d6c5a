"""Metrics for Prometheus and OpenTelemetry: ``config.include("pyramid_oauthguard.metrics")``."""

from __future__ import annotations

from typing import Any

from pyramid.config.views import DefaultViewMapper
from pyramid.interfaces import PHASE3_CONFIG

from ..includes import name_include
from .settings import parse_settings

__all__ = ["includeme"]

#: After everything else: the guard and the server are there, and so is the security policy.
_LAST = PHASE3_CONFIG + 20


def includeme(config: Any) -> None:
    """Count what the guard and the server do, and serve the numbers at ``/metrics`` to callers with the permission."""
    from .starting import start
    from .views import ROUTE, show_metrics

    config = name_include(config)
    settings = parse_settings(config.registry.settings)
    config.add_route(ROUTE, settings.path)
    config.add_view(
        show_metrics,
        route_name=ROUTE,
        request_method=("GET", "HEAD"),
        permission=settings.permission,
        require_csrf=False,
        mapper=DefaultViewMapper,  # the application may call its own views in another way
    )
    config.action(("oauthguard", "metrics"), start, args=(config.registry, settings), order=_LAST)
