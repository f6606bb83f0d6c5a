"""GET and POST /applications: the signed-in user sees what they have allowed, and can withdraw it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from pyramid.config import Configurator
from pyramid.request import Request

from ..consent.account import describe_account
from ..consent.consents import withdraw
from ..consent.forms import SessionEndedError, require_form
from ..consent.languages import format_date, translate
from ..consent.naming import find_home
from ..consent.notices import leave_notice, remove_notice, take_notice
from ..consent.pages import APPLICATIONS_ROUTE as ROUTE
from ..consent.pages import redirect, render_page
from ..consent.resource_owner import ask_user, sign_in
from ..consent.tickets import seal_ticket
from ..grant_types import USER_GRANTS
from ..grants.user_grants import check_subject
from ..http.mount_point import build_path
from ..http.parameters import read_body
from ..service import Service, find_service
from ..settings import ServerSettings
from ..store.records import Client, Consent
from .views import add_page

__all__ = ["describe", "include"]

PURPOSE: Final = "withdraw"


def include(config: Configurator, settings: ServerSettings) -> None:
    """Add the route and its views."""
    if not USER_GRANTS.intersection(settings.grants):
        return
    views = {"GET": show_applications, "POST": answer_withdrawal}
    add_page(config, ROUTE, settings.find_path("applications"), views)


def show_applications(request: Request) -> Any:
    """Each application with what it may do, and a button to withdraw that."""
    service = find_service(request)
    subject = ask_user(service, request)
    if subject is None:
        return sign_in(service, request)
    withdrawn = take_notice(service, request, page=ROUTE, subject=subject) is not None
    page = render_page(
        request,
        "applications",
        action=build_path(request, ROUTE),
        applications=_list_applications(service, request, subject),
        withdrawn=withdrawn,
        **describe_account(service, request, subject, route=ROUTE),
    )
    return remove_notice(service, page) if withdrawn else page


def answer_withdrawal(request: Request) -> Any:
    """Withdraw the consent that the ticket names, and show the remaining ones."""
    service = find_service(request)
    try:
        sent = require_form(service, request, read_body(request).values, purpose=PURPOSE)
    except SessionEndedError:
        return redirect(build_path(request, ROUTE))
    withdraw(service, sent.subject, sent.content["client_id"])
    return leave_notice(service, redirect(build_path(request, ROUTE)), "withdrawn", page=ROUTE, subject=sent.subject)


def describe(service: Service, locate: Callable[[str], str]) -> dict[str, Any]:
    """No members: the page is for users only."""
    return {}


def _list_applications(service: Service, request: Request, subject: str) -> list[dict[str, Any]]:
    by_client: dict[str, list[Consent]] = {}
    with service.store.reading() as unit:
        check_subject(unit, subject)
        for consent in unit.list_consents(subject):
            by_client.setdefault(consent.client_id, []).append(consent)
        found = [(unit.find_client(client_id), consents) for client_id, consents in by_client.items()]
    live = [(client, consents) for client, consents in found if client is not None and client.revoked_at is None]
    return [_describe_application(service, request, subject, client, consents) for client, consents in live]


def _describe_application(
    service: Service, request: Request, subject: str, client: Client, consents: list[Consent]
) -> dict[str, Any]:
    scopes = dict.fromkeys(scope for consent in consents for scope in consent.scopes)
    return {
        "name": client.name,
        "home": find_home(client),
        "is_self_registered": client.is_self_registered,
        "scopes": [translate(request, service.settings.scopes.get(scope, scope)) for scope in scopes],
        "allowed_on": time.strftime("%Y-%m-%d", time.gmtime(consents[-1].allowed_at)),
        "allowed_text": format_date(request, consents[-1].allowed_at),
        "ticket": seal_ticket(service.pepper, PURPOSE, {"client_id": client.client_id}, subject=subject),
    }
