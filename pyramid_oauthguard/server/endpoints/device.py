"""GET and POST /device (RFC 8628 section 3.3): a user types the code that a device shows, and approves or denies its
request.

The page has two steps, each with a ticket of its own: the first takes the code, the second the decision about the device
with that code. So only the user who typed a code can approve it, after reading which application it is for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlencode

from pyramid.config import Configurator
from pyramid.request import Request

from ..consent.account import describe_account
from ..consent.device import (
    LockedError,
    UnknownCodeError,
    format_user_code,
    is_decided,
    load_pending,
    load_typed,
    read_user_code,
)
from ..consent.device_flow import DeviceFlow, show_decision
from ..consent.forms import SentForm, SessionEndedError, require_form
from ..consent.notices import remove_notice, take_notice
from ..consent.pages import redirect, render_page
from ..consent.resource_owner import ask_user, sign_in
from ..consent.tickets import seal_ticket
from ..grant_types import DEVICE_CODE
from ..grants.user_grants import check_subject
from ..http.mount_point import build_path
from ..http.parameters import read_body, read_query
from ..service import Service, find_service
from ..settings import ServerSettings
from .views import add_page

__all__ = ["ROUTE", "describe", "include"]

ROUTE: Final = DeviceFlow.ROUTE
_CODE_STEP: Final = "device code"


def include(config: Configurator, settings: ServerSettings) -> None:
    """Add the route and its views."""
    if DEVICE_CODE in settings.grants:
        add_page(config, ROUTE, settings.find_path("device"), {"GET": show_device, "POST": answer_device})


def show_device(request: Request) -> Any:
    """The form for the code. A code in the URL is filled in, but the user still has to send the form (RFC 8628 section
    5.4)."""
    service = find_service(request)
    values = read_query(request).values
    subject = ask_user(service, request)
    if subject is None:
        return sign_in(service, request)
    typed = values.get("user_code")
    decided = None if typed else take_notice(service, request, page=ROUTE, subject=subject)
    if decided is not None:
        return remove_notice(service, _show_done(request, allowed=decided == "allow"))
    return _ask_code(service, request, subject, code=read_user_code(typed))


def answer_device(request: Request) -> Any:
    """The consent page for the device with this code, or the answer to the decision made there."""
    service, form = find_service(request), read_body(request).values
    deciding = "decision" in form
    try:
        sent = require_form(service, request, form, purpose=DeviceFlow.PURPOSE if deciding else _CODE_STEP)
    except SessionEndedError:
        code = None if deciding else read_user_code(form.get("user_code"))
        return redirect(build_path(request, ROUTE, {"user_code": format_user_code(code)} if code else None))
    try:
        return (_decide if deciding else _ask_decision)(service, request, sent, form=form)
    except UnknownCodeError:
        return _ask_code(service, request, sent.subject, problem="unknown", status=422)


def describe(service: Service, locate: Callable[[str], str]) -> dict[str, Any]:
    """No members: the page is for users, and the device gets its address with its codes."""
    return {}


def _show_done(request: Request, *, allowed: bool) -> Any:
    return render_page(request, "device_done", allowed=allowed, again=build_path(request, ROUTE))


def _ask_code(
    service: Service,
    request: Request,
    subject: str,
    *,
    code: str | None = None,
    problem: str = "",
    status: int = 200,
    minutes: int = 0,
) -> Any:
    query = urlencode({"user_code": format_user_code(code)}) if code else ""
    return render_page(
        request,
        "device",
        status=status,
        action=build_path(request, ROUTE),
        minutes=minutes,
        problem=problem,
        ticket=seal_ticket(service.pepper, _CODE_STEP, {}, subject=subject),
        user_code=format_user_code(code) if code else "",
        **describe_account(service, request, subject, route=ROUTE, query=query),
    )


def _ask_decision(service: Service, request: Request, sent: SentForm, *, form: Mapping[str, str]) -> Any:
    subject = sent.subject
    with service.store.reading() as unit:
        check_subject(unit, subject)  # before a try of theirs is counted
    code = read_user_code(form.get("user_code"))
    if code is None:
        return _ask_code(service, request, subject, problem="malformed", status=422)
    try:
        authorization = load_typed(service, code, subject)
    except LockedError as locked:
        minutes = max(1, round(locked.retry_after / 60))
        response = _ask_code(service, request, subject, problem="locked", status=429, minutes=minutes)
        response.headers["Retry-After"] = str(locked.retry_after)
        return response
    return DeviceFlow(service=service, request=request, subject=subject, authorization=authorization, code=code).ask()


def _decide(service: Service, request: Request, sent: SentForm, *, form: Mapping[str, str]) -> Any:
    code, subject, decision = sent.content["code"], sent.subject, form.get("decision", "")
    try:
        authorization = load_pending(service, code)
    except UnknownCodeError:
        if is_decided(service, code, subject, decision=decision):
            return show_decision(service, request, subject, decision="allow" if decision == "allow" else "deny")
        raise
    flow = DeviceFlow(service=service, request=request, subject=subject, authorization=authorization, code=code)
    return flow.decide(form, sent.content["shown"])
