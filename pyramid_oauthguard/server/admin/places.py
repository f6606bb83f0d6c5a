"""The page to which an action belongs: where its buttons are, and the page that the administrator sees after it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pyramid.request import Request

from ..http.mount_point import build_path
from .access import ADMIN_ROUTE
from .client_page import CLIENT_ROUTE

__all__ = ["build_back", "find_page"]

#: Actions of the list of clients.
_OF_LIST: Final = frozenset({"create_client", "rotate_secret", "disable_client"})


def find_page(content: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """The route and the query of the page.

    :param content: of the ticket of the action.
    """
    if "subject" in content:
        return f"{ADMIN_ROUTE}.users", {"subject": content["subject"]}
    if "client_id" in content and content["action"] not in _OF_LIST:
        return CLIENT_ROUTE, {"client_id": content["client_id"]}
    return f"{ADMIN_ROUTE}.{'clients' if 'client_id' in content else 'keys'}", {}


def build_back(request: Request, content: Mapping[str, Any]) -> str:
    """The address of the page."""
    route, query = find_page(content)
    return build_path(request, route, query or None)
