"""What the buttons of the admin pages do. What a button is for is sealed in the ticket of its form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from pyramid.request import Request

from ..clients.registry import get_clients
from ..clients.versions import ClientChangedError
from ..consent.consents import withdraw
from ..consent.forms import ExpiredPageError
from ..consent.pages import redirect, render_page
from ..consent.resource_owner import sign_in
from ..consent.tickets import FIELD, find_content, open_ticket
from ..grant_types import RegistrationError
from ..http.parameters import read_body
from ..keys.registry import SigningKeyError, get_keys
from ..service import Service
from ..users import get_users
from .access import has_signed_in_lately
from .client_form import (
    describe_problem,
    find_differences,
    read_fields,
    read_new_client,
    repeat_fields,
    repeat_new_client,
)
from .client_page import render_client
from .confirmation import ask_for_sign_in, needs_confirmation, render_confirmation
from .lists import render_creation
from .places import build_back
from .sealing import PURPOSE, take_ticket

__all__ = ["answer_action", "answer_signed_out"]

Form = Mapping[str, str]
Action = Callable[[Service, Request, Mapping[str, Any], Form], Any]


def answer_action(service: Service, request: Request, subject: str) -> Any:
    """Do what the ticket says, once, soon after the administrator signed in."""
    form = read_body(request).values
    content = open_ticket(service.pepper, PURPOSE, form.get(FIELD), subject=subject)
    if content is None:
        raise ExpiredPageError
    if not has_signed_in_lately(service, request):
        return ask_for_sign_in(service, request, subject, content, form)
    if needs_confirmation(content):
        return render_confirmation(service, request, subject, content)
    back = build_back(request, content)
    if not take_ticket(service, content):
        return redirect(back)
    try:
        answer = _ACTIONS[content["action"]](service, request, content, form)
    except (RegistrationError, SigningKeyError) as error:
        return render_page(request, "admin_result", status=422, back=back, problem=str(error))
    return redirect(back) if answer is None else answer


def answer_signed_out(service: Service, request: Request) -> Any:
    """Keep what was sent, for the administrator who signs in again."""
    form = read_body(request).values
    content = find_content(service.pepper, PURPOSE, form.get(FIELD))
    return sign_in(service, request) if content is None else ask_for_sign_in(service, request, None, content, form)


def _create_client(service: Service, request: Request, content: Mapping[str, Any], form: Form) -> Any:
    try:
        made = get_clients(request.registry).create(**read_new_client(form), client_id=content["client_id"])
    except RegistrationError as error:
        return render_creation(service, request, repeat_new_client(form), error)
    return _show_secret(request, content, made.secret)


def _edit_client(service: Service, request: Request, content: Mapping[str, Any], form: Form) -> Any:
    clients, client_id, version = get_clients(request.registry), content["client_id"], content["version"]
    try:
        clients.edit(client_id, version=version, **read_fields(form))
    except ClientChangedError:
        client = clients.find(client_id)
        typed = {} if client is None else find_differences(client, form)
        back = build_back(request, content)
        return render_page(request, "admin_changed", status=409, back=back, client_id=client_id, typed=typed)
    except RegistrationError as error:
        client = clients.find(client_id)
        if client is None or client.revoked_at is not None:
            raise
        sent = {"version": version, "values": repeat_fields(form), "problem": describe_problem(error)}
        return render_client(service, request, request.oauthguard_administrator, client, status=422, **sent)
    return None


def _replace_client_keys(service: Service, request: Request, content: Mapping[str, Any], form: Form) -> None:
    get_clients(request.registry).replace_keys(content["client_id"], form.get("jwks", ""))


def _rotate_secret(service: Service, request: Request, content: Mapping[str, Any], form: Form) -> Any:
    made = get_clients(request.registry).rotate_secret(content["client_id"], label="browser")
    return _show_secret(request, content, made.secret)


def _end_secret(service: Service, request: Request, content: Mapping[str, Any], form: Form) -> None:
    get_clients(request.registry).revoke_secret(content["client_id"], content["secret_id"])


def _disable_client(service: Service, request: Request, content: Mapping[str, Any], form: Form) -> None:
    get_clients(request.registry).revoke(content["client_id"])


def _withdraw(service: Service, request: Request, content: Mapping[str, Any], form: Form) -> None:
    withdraw(service, content["subject"], content["client_id"])


def _end_grant(service: Service, request: Request, content: Mapping[str, Any], form: Form) -> None:
    get_users(request.registry).end_grant(content["grant_id"])


def _end_user(service: Service, request: Request, content: Mapping[str, Any], form: Form) -> None:
    get_users(request.registry).end_all(content["subject"])


def _forget_user(service: Service, request: Request, content: Mapping[str, Any], form: Form) -> None:
    get_users(request.registry).forget(content["subject"])


def _rotate_keys(service: Service, request: Request, content: Mapping[str, Any], form: Form) -> None:
    get_keys(request.registry).rotate()


def _retire_key(service: Service, request: Request, content: Mapping[str, Any], form: Form) -> None:
    get_keys(request.registry).retire(content["kid"])


def _revoke_key(service: Service, request: Request, content: Mapping[str, Any], form: Form) -> None:
    get_keys(request.registry).revoke(content["kid"])


def _show_secret(request: Request, content: Mapping[str, Any], secret: str | None) -> Any:
    back = build_back(request, content)
    return render_page(request, "admin_result", back=back, client_id=content["client_id"], secret=secret)


_ACTIONS: Final[Mapping[str, Action]] = MappingProxyType(
    {
        "create_client": _create_client,
        "edit_client": _edit_client,
        "replace_client_keys": _replace_client_keys,
        "rotate_secret": _rotate_secret,
        "end_secret": _end_secret,
        "disable_client": _disable_client,
        "withdraw": _withdraw,
        "end_grant": _end_grant,
        "end_user": _end_user,
        "forget_user": _forget_user,
        "rotate_keys": _rotate_keys,
        "retire_key": _retire_key,
        "revoke_key": _revoke_key,
    }
)
