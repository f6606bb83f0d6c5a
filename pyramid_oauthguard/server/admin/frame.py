"""The frame of the admin pages: links to the other pages, who is signed in, and where the forms go."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

from pyramid.request import Request

from ..consent.account import describe_account
from ..consent.pages import render_page
from ..http.mount_point import build_path
from ..service import Service
from .access import ADMIN_ROUTE

__all__ = ["render_admin"]

_PAGES: Final = ("clients", "users", "keys", "audit", "health")


def render_admin(
    service: Service,
    request: Request,
    subject: str,
    name: str,
    *,
    route: str = ADMIN_ROUTE,
    query: dict[str, str] | None = None,
    **values: Any,
) -> Any:
    """The page ``name`` for the administrator ``subject``.

    :param route: of the page that is shown again after a new sign-in, with ``query``.
    :param values: of the template, and ``status``.
    """
    account = describe_account(service, request, subject, route=route, query=urlencode(query or {}))
    return render_page(
        request,
        f"admin_{name}",
        action=build_path(request, ADMIN_ROUTE),
        current=name,
        pages={each: build_path(request, f"{ADMIN_ROUTE}.{each}") for each in _PAGES},
        **account,
        **values,
    )
