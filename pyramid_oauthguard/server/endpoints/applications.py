"""GET and POST /applications: the signed-in user sees what they have allowed, and can withdraw it."""

from __future__ import annotations

import time
from collections.abc import Callable, Container
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
from ..store.contract import Unit
from ..store.records import Client
from .views import add_page

__all__ = ["describe", "include"]

PURPOSE: Final = "withdraw"
#: The scopes of an approval, and when it was given.
_Allowed = tuple[tuple[str, ...], float]
#: Of the newest grants of a user; most users have a few.
_MOST_GRANTS: Final = 1000


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
    with service.store.reading() as unit:
        check_subject(unit, subject)
        allowed = _list_consents(unit, subject)
        found = [(unit.find_client(client_id), given) for client_id, given in allowed.items()]
        others = _list_other_grants(unit, subject, known=allowed)
        more = [(unit.find_client(client_id), given) for client_id, given in others.items()]
    found += [(client, given) for client, given in more if client is not None and not client.first_party]
    live = [(client, given) for client, given in found if client is not None and client.revoked_at is None]
    return [_describe_application(service, request, subject, client, given) for client, given in live]


def _list_consents(unit: Unit, subject: str) -> dict[str, list[_Allowed]]:
    """By client, the oldest first."""
    by_client: dict[str, list[_Allowed]] = {}
    for consent in unit.list_consents(subject):
        by_client.setdefault(consent.client_id, []).append((consent.scopes, consent.allowed_at))
    return by_client


def _list_other_grants(unit: Unit, subject: str, *, known: Container[str]) -> dict[str, list[_Allowed]]:
    """The grants to clients that have no consent: those whose tokens were imported. Not those of the token endpoint, such as by an
    assertion: the user did not give them."""
    by_client: dict[str, list[_Allowed]] = {}
    for grant in reversed(unit.list_live_grants(subject, limit=_MOST_GRANTS)):
        if grant.client_id not in known and grant.grant_type is None:
            by_client.setdefault(grant.client_id, []).append((grant.scopes, grant.created_at))
    return by_client


def _describe_application(
    service: Service, request: Request, subject: str, client: Client, given: list[_Allowed]
) -> dict[str, Any]:
    scopes = dict.fromkeys(scope for each, _at in given for scope in each)
    allowed_at = given[-1][1]
    return {
        "name": client.name,
        "home": find_home(client),
        "is_self_registered": client.is_self_registered,
        "scopes": [translate(request, service.settings.scopes.get(scope, scope)) for scope in scopes],
        "allowed_on": time.strftime("%Y-%m-%d", time.gmtime(allowed_at)),
        "allowed_text": format_date(request, allowed_at),
        "ticket": seal_ticket(service.pepper, PURPOSE, {"client_id": client.client_id}, subject=subject),
    }
