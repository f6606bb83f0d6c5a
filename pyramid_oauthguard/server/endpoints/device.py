"""GET and POST /device (RFC 8628 section 3.3): a user types the code that a device shows, and allows it something or doesn't.

The page has two steps, each with a ticket of its own: the first takes the code, the second the decision about the device
with that code. So only who typed a code can approve it, after reading which application it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from ..consent.consents import name_apis, remember
from ..consent.device import LockedError, find_pending, find_request, find_waiting, read_user_code, spell_user_code
from ..consent.notices import leave_notice, remove_notice, take_notice
from ..consent.pages import answer_errors_on_page, redirect, render_page, translate
from ..consent.request import AuthorizationRequest
from ..consent.resource_owner import approves, find_acr, find_auth_time, find_user, find_user_name, sign_in
from ..consent.tickets import FIELD, find_content, open_ticket, seal_ticket
from ..events import AuthorizationApproved, AuthorizationDenied
from ..grant_types import DEVICE_CODE
from ..grants.user_grants import check_subject, find_allowed, open_grant
from ..http.errors import InvalidRequestError
from ..http.mount_point import build_path
from ..http.parameters import read_body, read_query
from ..service import Service, find_service
from ..settings import ServerSettings
from .views import add_endpoint

__all__ = ["ROUTE", "describe", "include"]

ROUTE: Final = "oauthguard.device"
CODE_STEP: Final = "device code"
DECISION_STEP: Final = "device decision"
CHOICE: Final = "scope."


def include(config: Any, settings: ServerSettings) -> None:
    """Add the route and its views."""
    if DEVICE_CODE in settings.grants:
        views = {"GET": answer_errors_on_page(show_device), "POST": answer_errors_on_page(answer_device)}
        add_endpoint(config, ROUTE, f"{settings.path}/device", views)


def show_device(request: Any) -> Any:
    """The field for the code; with a code in the URL it is filled in, and still the user's to send (RFC 8628 section 5.4)."""
    service = find_service(request)
    values = read_query(request).values
    subject = find_user(service, request)
    if subject is None:
        return sign_in(service, request)
    typed = values.get("user_code")
    decided = None if typed else take_notice(service, request, page=ROUTE, subject=subject)
    if decided is not None:
        return remove_notice(service, render_page(request, "device_done", allowed=decided == "allow"))
    return _ask_code(service, request, subject, code=read_user_code(typed))


def answer_device(request: Any) -> Any:
    """The consent page for the device with this code, or what becomes of the decision made there."""
    service = find_service(request)
    form = read_body(request).values
    subject = find_user(service, request)
    deciding = "decision" in form
    step = DECISION_STEP if deciding else CODE_STEP
    if subject is None and find_content(service.pepper, step, form.get(FIELD)) is not None:
        code = None if deciding else read_user_code(form.get("user_code"))
        return redirect(build_path(request, ROUTE, {"user_code": spell_user_code(code)} if code else None))
    ticket = open_ticket(service.pepper, step, form.get(FIELD), subject=subject)
    if ticket is None or subject is None:
        return render_page(request, "error", status=400, code="expired_page", description="")
    with service.store.reading() as unit:
        check_subject(unit, subject)
    if deciding:
        return _decide(service, request, subject, form=form, ticket=ticket)
    return _ask_decision(service, request, subject, typed=form.get("user_code"))


def describe(service: Service, locate: Callable[[str], str]) -> dict[str, Any]:
    """It is for people: the answer to a device names it."""
    return {}


def _ask_code(
    service: Service, request: Any, subject: str, *, code: str | None, problem: str = "", status: int = 200
) -> Any:
    return render_page(
        request,
        "device",
        status=status,
        action=build_path(request, ROUTE),
        problem=problem,
        ticket=seal_ticket(service.pepper, CODE_STEP, {}, subject=subject),
        user_code=spell_user_code(code) if code else "",
        user_name=find_user_name(service, subject),
    )


def _ask_decision(service: Service, request: Any, subject: str, *, typed: str | None) -> Any:
    code = read_user_code(typed)
    if code is None:
        return _ask_code(service, request, subject, code=None, problem="malformed", status=422)
    try:
        device = find_waiting(service, code, subject)
    except LockedError as locked:
        response = _ask_code(service, request, subject, code=None, problem="locked", status=429)
        response.headers["Retry-After"] = str(locked.retry_after)
        return response
    authorization = None
    if device is not None:
        with service.store.reading() as unit:
            authorization = find_request(service, unit, device)
    if authorization is None:
        return _ask_code(service, request, subject, code=None, problem="unknown", status=422)
    if not (service.is_active_user(subject) and approves(service, request, authorization)):
        return _deny(service, request, subject, authorization, code=code, by="application")
    return _show_consent(service, request, subject, authorization, code=code)


def _show_consent(
    service: Service,
    request: Any,
    subject: str,
    authorization: AuthorizationRequest,
    *,
    code: str,
    problem: bool = False,
) -> Any:
    shown = {scope: translate(request, service.settings.scopes[scope]) for scope in authorization.scopes}
    with service.store.reading() as unit:
        consents = unit.list_consents(subject, client_id=authorization.client.client_id)
    before = find_allowed(consents, authorization.audiences)
    return render_page(
        request,
        "device_consent",
        status=422 if problem else 200,
        action=build_path(request, ROUTE),
        apis=name_apis(authorization.client, service.settings, authorization.audiences),
        client=authorization.client,
        problem=problem,
        scopes=[
            {"name": scope, "text": text, "checked": not problem, "allowed_before": scope in before}
            for scope, text in shown.items()
        ],
        ticket=seal_ticket(service.pepper, DECISION_STEP, {"code": code, "shown": shown}, subject=subject),
        user_code=spell_user_code(code),
        user_name=find_user_name(service, subject),
    )


def _decide(service: Service, request: Any, subject: str, *, form: Mapping[str, str], ticket: Mapping[str, Any]) -> Any:
    code, shown = ticket["code"], ticket["shown"]
    with service.store.reading() as unit:
        device = find_pending(unit, service, code)
        authorization = find_request(service, unit, device) if device else None
    if authorization is None:
        return _ask_code(service, request, subject, code=None, problem="unknown", status=422)
    if not (service.is_active_user(subject) and approves(service, request, authorization)):
        return _deny(service, request, subject, authorization, code=code, by="application")
    if form["decision"] == "deny":
        return _deny(service, request, subject, authorization, code=code, by="user")
    if form["decision"] != "allow":
        raise InvalidRequestError("The parameter decision must be allow or deny.")
    # As at the authorization endpoint: of what the page showed and the client may still have, what is ticked.
    chosen = tuple(scope for scope in authorization.scopes if scope in shown and CHOICE + scope in form)
    if shown and not chosen:
        return _show_consent(service, request, subject, authorization, code=code, problem=True)
    return _approve(service, request, subject, authorization, code=code, scopes=chosen, shown=shown)


def _approve(
    service: Service,
    request: Any,
    subject: str,
    authorization: AuthorizationRequest,
    *,
    code: str,
    scopes: tuple[str, ...],
    shown: Mapping[str, str],
) -> Any:
    client, audiences, hashed = authorization.client, authorization.audiences, service.pepper.hash_code(code)
    auth_time, acr = find_auth_time(service, request), find_acr(service, request)
    with service.store.writing() as unit:
        grant = open_grant(unit, client, subject, scopes=scopes, audiences=audiences, auth_time=auth_time, acr=acr)
        won = unit.decide_device(hashed, "approved", grant.grant_id, time.time())
        if won:
            remember(unit, client, subject, scopes=scopes, audiences=audiences, wording=shown)
            service.tell(unit, AuthorizationApproved(client.client_id, subject, scopes, grant.grant_id))
        else:  # somebody else decided a moment ago: nothing will ever come of this grant
            unit.revoke_grant(grant.grant_id, time.time())
    if not won:
        return _ask_code(service, request, subject, code=None, problem="unknown", status=422)
    return leave_notice(service, redirect(build_path(request, ROUTE)), "allow", page=ROUTE, subject=subject)


def _deny(
    service: Service, request: Any, subject: str, authorization: AuthorizationRequest, *, code: str, by: str
) -> Any:
    event = AuthorizationDenied(authorization.client.client_id, subject, authorization.scopes, by)
    with service.store.writing() as unit:
        if unit.decide_device(service.pepper.hash_code(code), "denied", None, time.time()):
            service.tell(unit, event)
    return leave_notice(service, redirect(build_path(request, ROUTE)), "deny", page=ROUTE, subject=subject)
