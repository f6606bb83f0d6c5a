"""What the buttons of the admin pages do. What a button is for is sealed in the ticket of its form."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final

from pyramid.request import Request

from ...errors import OAuthGuardError
from ..clients.registry import get_clients
from ..consent.account import describe_account
from ..consent.consents import withdraw
from ..consent.forms import SessionEndedError, require_form
from ..consent.pages import redirect, render_page
from ..consent.tickets import FIELD, LIFETIME_SECONDS, seal_ticket
from ..grant_types import RegistrationError
from ..http.mount_point import build_path
from ..http.parameters import read_body
from ..keys.registry import SigningKeyError, get_keys
from ..opaque import make_client_id, make_id
from ..service import Service
from .access import ADMIN_ROUTE, has_signed_in_lately

__all__ = ["answer_action", "seal_action", "seal_creation"]

_PURPOSE: Final = "admin"
Form = Mapping[str, str]
Action = Callable[[Service, Request, Mapping[str, Any], Form], Any]


def seal_action(service: Service, administrator: str, action: str, /, **values: str) -> str:
    """The ticket of a button: for this administrator, for this action, once."""
    return seal_ticket(service.pepper, _PURPOSE, {"action": action, "id": make_id(), **values}, subject=administrator)


def seal_creation(service: Service, subject: str) -> str:
    """The ticket of the form for a new client. The id is chosen now, so that the form makes one client at the most."""
    return seal_action(service, subject, "create_client", client_id=make_client_id())


def answer_action(service: Service, request: Request, subject: str) -> Any:
    """Do what the ticket says, once, soon after the administrator signed in."""
    form = read_body(request).values
    try:
        sent = require_form(service, request, form, purpose=_PURPOSE)
    except SessionEndedError:
        return redirect(build_path(request, ADMIN_ROUTE))
    back = _BACK[sent.content["action"]]
    if not has_signed_in_lately(service, request):
        account = describe_account(service, request, subject, route=back)
        return render_page(request, "admin_sign_in_again", status=403, **account)
    if not _take(service, form[FIELD]):
        return redirect(build_path(request, back))
    try:
        answer = _ACTIONS[sent.content["action"]](service, request, sent.content, form)
    except (RegistrationError, SigningKeyError) as error:
        return _show_result(request, back, status=422, problem=_describe(error))
    return redirect(build_path(request, back)) if answer is None else answer


def _take(service: Service, ticket: str) -> bool:
    """Whether this ticket comes for the first time: a form that is sent twice acts once."""
    with service.store.writing() as unit:
        return unit.add_assertion(sha256(b"admin " + ticket.encode()).digest(), time.time() + LIFETIME_SECONDS)


def _create_client(service: Service, request: Request, content: Mapping[str, Any], form: Form) -> Any:
    made = get_clients(request.registry).create(
        form.get("name", ""),
        client_id=content["client_id"],
        public="public" in form,
        role="resource_server" if "resource_server" in form else "client",
        redirect_uris=form.get("redirect_uris", "").split(),
        grants=form.get("grants", "").split(),
        scopes=form.get("scopes", "").split(),
        audiences=form.get("audiences", "").split(),
    )
    return _show_result(request, _CLIENTS, client_id=made.client.client_id, secret=made.secret)


def _rotate_secret(service: Service, request: Request, content: Mapping[str, Any], form: Form) -> Any:
    made = get_clients(request.registry).rotate_secret(content["client_id"], label="browser")
    return _show_result(request, _CLIENTS, client_id=content["client_id"], secret=made.secret)


def _disable_client(service: Service, request: Request, content: Mapping[str, Any], form: Form) -> None:
    get_clients(request.registry).revoke(content["client_id"])


def _withdraw(service: Service, request: Request, content: Mapping[str, Any], form: Form) -> None:
    withdraw(service, content["subject"], content["client_id"])


def _rotate_keys(service: Service, request: Request, content: Mapping[str, Any], form: Form) -> None:
    get_keys(request.registry).rotate()


def _retire_key(service: Service, request: Request, content: Mapping[str, Any], form: Form) -> None:
    get_keys(request.registry).retire(content["kid"])


def _revoke_key(service: Service, request: Request, content: Mapping[str, Any], form: Form) -> None:
    get_keys(request.registry).revoke(content["kid"])


def _show_result(request: Request, back: str, *, status: int = 200, **values: Any) -> Any:
    return render_page(request, "admin_result", status=status, back=build_path(request, back), **values)


def _describe(error: OAuthGuardError) -> str:
    return f"{error.argument}: {error.problem}" if isinstance(error, RegistrationError) else str(error)


_CLIENTS: Final = f"{ADMIN_ROUTE}.clients"
_KEYS: Final = f"{ADMIN_ROUTE}.keys"
_USERS: Final = f"{ADMIN_ROUTE}.users"
_ACTIONS: Final[Mapping[str, Action]] = MappingProxyType(
    {
        "create_client": _create_client,
        "rotate_secret": _rotate_secret,
        "disable_client": _disable_client,
        "withdraw": _withdraw,
        "rotate_keys": _rotate_keys,
        "retire_key": _retire_key,
        "revoke_key": _revoke_key,
    }
)
#: The page to which each action belongs.
_BACK: Final[Mapping[str, str]] = MappingProxyType(
    {name: _KEYS if "key" in name else _USERS if name == "withdraw" else _CLIENTS for name in _ACTIONS}
)
