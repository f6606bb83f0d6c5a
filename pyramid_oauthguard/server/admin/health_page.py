"""The health of the process that answers: the word for load balancers, and the reasons for it."""

from __future__ import annotations

from typing import Any, Final

from pyramid.request import Request

from ...health.board import Seen, find_board
from ..service import Service
from .access import ADMIN_ROUTE
from .frame import render_admin

__all__ = ["HEALTH_ROUTE", "show_health"]

HEALTH_ROUTE: Final = f"{ADMIN_ROUTE}.health"
_SECONDS: Final = "_seconds"
_MINUTE: Final = 60.0
_HOUR: Final = 3600.0
_DAY: Final = 86400.0


def show_health(service: Service, request: Request, subject: str) -> Any:
    """Each thing that the health view looks at. Nothing here asks the storage, because that may be the part that can't be reached."""
    report = find_board(request.registry).find()
    checks = [_describe(name, seen) for name, seen in report.seen.items()]
    return render_admin(service, request, subject, "health", route=HEALTH_ROUTE, word=report.word, checks=checks)


def _describe(name: str, seen: Seen) -> dict[str, Any]:
    return {
        "name": name,
        "level": seen.reading.level,
        "reason": seen.reading.reason,
        "milliseconds": None if seen.seconds is None else f"{seen.seconds * 1000:.1f}",
        "facts": [(fact, _format(fact, value)) for fact, value in seen.reading.facts.items()],
    }


def _format(fact: str, value: float) -> str:
    """A duration in the largest unit that fits, as in the settings: ``3.2d``; another number as it is."""
    if not fact.endswith(_SECONDS):
        return f"{value:g}"
    for unit, seconds in (("d", _DAY), ("h", _HOUR), ("m", _MINUTE)):
        if value >= seconds:
            return f"{value / seconds:.1f}{unit}"
    return f"{value:.1f}s"
