"""``GET /metrics``, for callers with the permission."""

from __future__ import annotations

from typing import Any, Final

from pyramid.request import Request
from pyramid.response import Response

from ..health import find_board
from ..health.probes import DEGRADED, FAILED, OK
from ..telemetry.counting import note
from .prometheus import CONTENT_TYPE_LATEST, render

__all__ = ["ROUTE", "show_metrics"]

ROUTE: Final = "oauthguard.metrics"
_VALUES: Final = {OK: 1.0, DEGRADED: 0.5, FAILED: 0.0}
_LAG: Final = "lag_seconds"


def show_metrics(request: Request) -> Response:
    """The numbers of all processes, as Prometheus reads them."""
    _note_health(request.registry)
    response: Response = Response(body=render(), content_type=None)
    response.headers["Content-Type"] = CONTENT_TYPE_LATEST
    response.headers["Cache-Control"] = "no-store"
    return response


def _note_health(registry: Any) -> None:
    """What is found out by asking is what the health view has found out, at most every five seconds."""
    for name, seen in find_board(registry).find().seen.items():
        note("health", name, value=_VALUES.get(seen.reading.level, 0.0))
        lag = seen.reading.facts.get(_LAG)
        if lag is not None:
            note("prune_lag", value=lag)
