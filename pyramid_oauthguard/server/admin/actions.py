"""What the buttons of the admin pages do. What a button is for is sealed in the ticket of its form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlencode

from pyramid.request import Request

from ...errors import OAuthGuardError
from ..clients.registry import get_clients
from ..clients.versions import ClientChangedError
from ..consent.account import describe_account
from ..consent.consents import withdraw
from ..consent.forms import SessionEndedError, require_form
from ..consent.pages import redirect, render_page
from ..consent.tickets import FIELD
from ..grant_types import RegistrationError
from ..http.mount_point import build_path
from ..http.parameters import read_body
from ..keys.registry import SigningKeyError, get_keys
from ..service import Service
from ..users import get_users
from .access import ADMIN_ROUTE, has_signed_in_lately
from .client_form import read_fields, repeat_fields
from .client_page import CLIENT_ROUTE, render_client
from .sealing import PURPOSE, take_ticket

__all__ = ["answer_action"]

Form = Mapping[str, str]
Action = Callable[[Service, Request, Mapping[str, Any], Form], Any]


def answer_action(service: Service, request: Request, subject: str) -> Any:
    """Do what the ticket says, once, soon after the administrator signed in."""
    form = read_body(request).values
    try:
        sent = require_form(service, request, form, purpose=PURPOSE)
    except SessionEndedError:
        return redirect(build_path(request, ADMIN_ROUTE))
    route, query = _find_page(sent.content)
    back = build_path(request, route, query or None)
    if not has_signed_in_lately(service, request):
        account = describe_account(service, request, subject, route=route, query=urlencode(query))
        return render_page(request, "admin_sign_in_again", status=403, **account)
    if not take_ticket(service, form[FIELD]):
        return redirect(back)
    try:
        answer = _ACTIONS[sent.content["action"]](service, request, sent.content, form)
    except (RegistrationError, SigningKeyError) as error:
        return render_page(request, "admin_result", status=422, back=back, problem=_describe(error))
    return redirect(back) if answer is None else answer


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
    return _show_secret(request, content, made.secret)


def _edit_client(service: Service, request: Request, content: Mapping[str, Any], form: Form) -> Any:
    clients, client_id = get_clients(request.registry), content["client_id"]
    try:
        clients.edit(client_id, version=content["version"], **read_fields(form))
    except ClientChangedError:
        back = build_path(request, CLIENT_ROUTE, {"client_id": client_id})
        return render_page(request, "admin_changed", status=409, back=back, client_id=client_id)
    except RegistrationError as error:
        client = clients.find(client_id)
        if client is None or client.revoked_at is not None:
            raise
        sent = {"version": content["version"], "values": repeat_fields(form), "problem": _describe(error)}
        administrator = request.oauthguard_administrator
        return render_client(service, request, administrator, client, status=422, **sent)
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
    route, query = _find_page(content)
    back = build_path(request, route, query)
    return render_page(request, "admin_result", back=back, client_id=content["client_id"], secret=secret)


def _describe(error: OAuthGuardError) -> str:
    return f"{error.argument}: {error.problem}" if isinstance(error, RegistrationError) else str(error)


def _find_page(content: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """The route and the query of the page to which a ticket belongs."""
    if "subject" in content:
        return f"{ADMIN_ROUTE}.users", {"subject": content["subject"]}
    if "client_id" in content and content["action"] not in _OF_LIST:
        return CLIENT_ROUTE, {"client_id": content["client_id"]}
    return f"{ADMIN_ROUTE}.{'clients' if 'client_id' in content else 'keys'}", {}


#: Actions of the list of clients.
_OF_LIST: Final = frozenset({"create_client", "rotate_secret", "disable_client"})
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
