"""The answers of the health view: a word for every caller, and the reasons for those who may know them."""

from __future__ import annotations

import logging
from typing import Final

from pyramid.interfaces import IRootFactory, ISecurityPolicy
from pyramid.request import Request
from pyramid.response import Response
from pyramid.traversal import DefaultRootFactory

from .board import PERIOD_SECONDS, describe_report, find_board
from .settings import parse_settings

__all__ = ["ROUTE", "show_health"]

logger = logging.getLogger("pyramid_oauthguard")

ROUTE: Final = "oauthguard.health"
_ALIVE: Final = "/alive"
_NO_STORE: Final = {"Cache-Control": "no-store", "Vary": "Accept, Authorization"}


def show_health(request: Request) -> Response:
    """``alive`` sends no request. Otherwise 200 with ``ready`` or ``degraded``, or 503 with ``not ready``."""
    if request.matchdict["part"] == _ALIVE:
        return _answer(200, "alive")
    report = find_board(request.registry).find()
    status = 503 if report.word == "not ready" else 200
    if _wants_reasons(request) and _may_know(request):
        response: Response = Response(status=status, json_body=describe_report(report))
        response.headers.update(_NO_STORE)
        return response
    return _answer(status, report.word)


def _answer(status: int, word: str) -> Response:
    response: Response = Response(status=status, text=f"{word}\n", content_type="text/plain", charset="utf-8")
    response.headers.update(_NO_STORE)
    if status != 200:
        response.headers["Retry-After"] = f"{PERIOD_SECONDS:g}"
    return response


def _wants_reasons(request: Request) -> bool:
    """A probe of a load balancer costs no question to the application's policy, which may use the database."""
    environ = request.environ
    return "HTTP_AUTHORIZATION" in environ or "json" in environ.get("HTTP_ACCEPT", "")


def _may_know(request: Request) -> bool:
    registry = request.registry
    if registry.queryUtility(ISecurityPolicy) is None:  # Pyramid would allow everything
        return False
    try:
        factory = registry.queryUtility(IRootFactory) or DefaultRootFactory
        permission = parse_settings(registry.settings).permission
        return bool(request.has_permission(permission, factory(request)))
    except Exception as error:  # noqa: BLE001  # a policy that needs what is down: the word says so
        logger.warning("whether a caller may see the reasons of the health view is not known: %s", type(error).__name__)
        return False
