"""POST /switch-user: the user of a page is somebody else than the one who is signed in.

The application signs the user out, and the browser goes back to the page, which has somebody sign in. The form's ticket
opens for the signed-in user only, so another site can't sign a user out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pyramid.config import Configurator
from pyramid.request import Request

from ..consent.account import PURPOSE, SWITCH_ROUTE
from ..consent.forms import SessionEndedError, require_form
from ..consent.pages import redirect
from ..consent.resource_owner import sign_out
from ..consent.tickets import FIELD, find_content
from ..grant_types import USER_GRANTS
from ..http.mount_point import build_path
from ..http.parameters import find_sent, read_body
from ..service import Service, find_service
from ..settings import ServerSettings
from .views import add_page

__all__ = ["describe", "include"]


def include(config: Configurator, settings: ServerSettings) -> None:
    """Add the route and its view. The pages have the form only where the application can sign users out."""
    if USER_GRANTS.intersection(settings.grants):
        path = f"{settings.path}/switch-user"
        add_page(config, SWITCH_ROUTE, path, {"POST": answer_switch}, again=_find_again)


def answer_switch(request: Request) -> Any:
    """Sign the user out, and go back to the page."""
    service = find_service(request)
    try:
        sent = require_form(service, request, read_body(request).values, purpose=PURPOSE)
    except SessionEndedError as ended:
        return redirect(_build_back(request, ended.content))
    headers = sign_out(service, request)
    response = redirect(_build_back(request, sent.content))
    response.headerlist.extend(headers)
    return response


def describe(service: Service, locate: Callable[[str], str]) -> dict[str, Any]:
    """No members: only pages lead here."""
    return {}


def _build_back(request: Request, content: Mapping[str, Any]) -> str:
    path = build_path(request, content["route"])
    return f"{path}?{content['query']}" if content["query"] else path


def _find_again(request: Request) -> str | None:
    """The page, as a plain link to it shows it."""
    content = find_content(find_service(request).pepper, PURPOSE, find_sent(request, FIELD))
    return None if content is None else _build_back(request, content)
