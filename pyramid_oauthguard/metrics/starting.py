"""What is counted in one application, once all of it is configured."""

from __future__ import annotations

import functools
from collections.abc import Collection
from typing import Any

from pyramid.interfaces import ISecurityPolicy

from ..errors import SettingError
from ..telemetry.counting import listen
from .checks import count_checks
from .opentelemetry import OpenTelemetry, find_opentelemetry
from .series import list_series
from .settings import PREFIX, MetricsSettings

__all__ = ["start"]


def start(registry: Any, settings: MetricsSettings) -> None:
    """Count what the guard and the server of an application do.

    :raises SettingError: it has neither, or no policy decides who may see the numbers, or prometheus-client is missing.
    """
    if registry.queryUtility(ISecurityPolicy) is None:
        hint = "set one: without it, every caller would see the numbers"
        raise SettingError(f"{PREFIX}.permission", "needs a security policy", hint)
    prometheus, opentelemetry = _load_prometheus(), find_opentelemetry()
    listen(prometheus)
    for name, labels in list_series(
        registry, settings
    ):  # at zero; otherwise the first event of a kind would not count as an increase
        prometheus.find(name, labels)
    if opentelemetry is not None:
        listen(opentelemetry)
    guard = registry.__dict__.get("oauthguard")
    if guard is not None:
        find_act = functools.partial(_find_act, prometheus, opentelemetry)
        count_checks(guard, find_act, passes_trace_on=settings.trace_context)
    is_server = _follow_server(registry, settings)
    if guard is None and not is_server:
        hint = 'config.include("pyramid_oauthguard") or config.include("pyramid_oauthguard.server") comes first'
        raise SettingError(
            PREFIX, "has nothing to count: the application has no guard and no authorization server", hint
        )


def _load_prometheus() -> Any:
    try:
        from .prometheus import find_prometheus
    except ImportError as error:
        hint = "pip install 'pyramid_oauthguard[metrics]'"
        raise SettingError(PREFIX, f"needs a package that is not installed: {error.name}", hint) from None
    return find_prometheus()


def _find_act(prometheus: Any, opentelemetry: OpenTelemetry | None, name: str, labels: tuple[str, ...]) -> Any:
    """What counts one thing with fixed labels, for the path that has no time to look it up."""
    act = prometheus.find(name, labels)
    if opentelemetry is None:
        return act

    also = opentelemetry.find(name, labels)

    def act_twice(value: float) -> None:
        act(value)
        also(value)

    return act_twice


def _follow_server(registry: Any, settings: MetricsSettings) -> bool:
    try:
        from ..server.events import FOLLOWERS
        from ..server.service import IService
        from .events import build_follower
    except ImportError:  # the bare install is the guard alone
        return False
    if registry.queryUtility(IService) is None:
        return False

    def find_grants() -> Collection[str]:
        return registry.getUtility(IService).grants  # type: ignore[no-any-return]

    setattr(registry, FOLLOWERS, (build_follower(find_grants, frozenset(settings.clients)),))
    return True
