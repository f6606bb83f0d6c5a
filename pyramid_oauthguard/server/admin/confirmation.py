"""Two pages between a button and what it does: what will happen, and the new sign-in that it needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from pyramid.request import Request

from ..clients.keys import as_key_set
from ..clients.registry import get_clients
from ..consent.account import describe_account
from ..consent.pages import render_page
from ..grant_types import RegistrationError
from ..http.mount_point import build_path
from ..service import Service
from .access import ADMIN_ROUTE
from .places import build_back, find_page
from .sealing import seal_action

__all__ = ["ask_for_sign_in", "needs_confirmation", "render_confirmation"]

#: What can't be undone, by the member of the ticket that says to what it is done.
_CONFIRMED: Final = {
    "disable_client": "client_id",
    "end_secret": "secret_id",
    "end_user": "subject",
    "forget_user": "subject",
    "revoke_key": "kid",
}
_IS_CONFIRMED: Final = "confirmed"


def needs_confirmation(content: Mapping[str, Any]) -> bool:
    """Whether the administrator has to be told first what will happen."""
    return content["action"] in _CONFIRMED and _IS_CONFIRMED not in content


def render_confirmation(service: Service, request: Request, subject: str, content: Mapping[str, Any]) -> Any:
    """What will happen, with a button that does it and a way back. The ticket of the button says that this page was shown."""
    asked = content["action"]
    values = {name: value for name, value in content.items() if name not in {"action", "id"}}
    client = get_clients(request.registry).find(content["client_id"]) if "client_id" in content else None
    return render_page(
        request,
        "admin_confirm",
        asked=asked,
        identifier=content[_CONFIRMED[asked]],
        name=None if client is None else client.name,
        action=build_path(request, ADMIN_ROUTE),
        ticket=seal_action(service, subject, asked, **values, **{_IS_CONFIRMED: "yes"}),
        back=build_back(request, content),
    )


def ask_for_sign_in(
    service: Service, request: Request, subject: str | None, content: Mapping[str, Any], form: Mapping[str, str]
) -> Any:
    """A page with a new sign-in in another tab. It keeps what was sent: the same form can be sent again.

    :param subject: the user who is signed in, or None.
    """
    route, query = find_page(content)
    account = {"switch": None}
    if subject is not None:
        account = describe_account(service, request, subject, route=route, query=urlencode(query))
    return render_page(
        request,
        "admin_sign_in_again",
        status=403,
        action=build_path(request, ADMIN_ROUTE),
        back=build_back(request, content),
        fields=_keep(form),
        **account,
    )


def _keep(form: Mapping[str, str]) -> dict[str, str]:
    """The fields of a form for the page that repeats them: all except keys that can't be public."""
    kept = dict(form)
    if "jwks" in kept:
        try:
            as_key_set(kept["jwks"])
        except RegistrationError:
            del kept["jwks"]
    return kept
