"""Who is signed in, on each page for a signed-in user, and the form with which somebody else signs in."""

from __future__ import annotations

from typing import Any, Final

from pyramid.request import Request

from ..grants.user_names import ask_user_name
from ..http.mount_point import build_path
from ..service import Service
from .resource_owner import can_sign_out
from .tickets import seal_ticket

__all__ = ["PURPOSE", "SWITCH_ROUTE", "describe_account"]

#: The name of the route that the form is sent to, and the purpose of its ticket.
SWITCH_ROUTE: Final = "oauthguard.switch_user"
PURPOSE: Final = "switch user"


def describe_account(
    service: Service, request: Request, subject: str, *, route: str, query: str = ""
) -> dict[str, Any]:
    """The template's values about the signed-in user.

    :param route: of the page that is shown again after somebody else has signed in, with ``query`` behind it.
    """
    switch = None
    if can_sign_out(service.owner):
        ticket = seal_ticket(service.pepper, PURPOSE, {"route": route, "query": query}, subject=subject)
        switch = {"action": build_path(request, SWITCH_ROUTE), "ticket": ticket}
    return {"user_name": ask_user_name(service, subject), "switch": switch}
