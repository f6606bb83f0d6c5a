"""The lists: clients with their last use, and signing keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pyramid.request import Request

from ..clients.registry import get_clients
from ..consent.languages import format_moment
from ..grant_types import RegistrationError
from ..http.mount_point import build_path
from ..keys.registry import get_keys
from ..service import Service
from ..store.records import Client
from .access import ADMIN_ROUTE, read_values
from .client_form import EMPTY, describe_problem
from .client_page import CLIENT_ROUTE
from .frame import render_admin
from .sealing import seal_action, seal_creation

__all__ = ["render_creation", "show_clients", "show_keys", "show_start"]

_SHOWN: Final = 100


def show_start(service: Service, request: Request, subject: str) -> Any:
    """The links to the other pages."""
    return render_admin(service, request, subject, "start")


def show_clients(service: Service, request: Request, subject: str) -> Any:
    """A page of the clients, the way to one of them, and the form for a new one."""
    after = read_values(request).get("after")
    found = get_clients(request.registry).list_page(_SHOWN + 1, after=after)
    shown, route = found[:_SHOWN], f"{ADMIN_ROUTE}.clients"
    return render_admin(
        service,
        request,
        subject,
        "clients",
        route=route,
        query={"after": after} if after else {},
        clients=[_describe_client(service, request, subject, client) for client in shown],
        following=build_path(request, route, {"after": shown[-1].client_id}) if len(found) > len(shown) else None,
        find=build_path(request, CLIENT_ROUTE),
        ticket=seal_creation(service, subject),
        values=EMPTY,
    )


def render_creation(service: Service, request: Request, values: Mapping[str, Any], error: RegistrationError) -> Any:
    """The form for a new client again, with what was sent and what is wrong with it."""
    subject = request.oauthguard_administrator
    return render_admin(
        service,
        request,
        subject,
        "create",
        status=422,
        route=f"{ADMIN_ROUTE}.clients",
        ticket=seal_creation(service, subject),
        values=values,
        problem=describe_problem(error),
    )


def show_keys(service: Service, request: Request, subject: str) -> Any:
    """All signing keys."""
    keys = [
        {
            "kid": status.record.kid,
            "algorithm": status.record.algorithm,
            "state": status.state,
            "active_from": format_moment(request, status.record.active_from),
            "retire": seal_action(service, subject, "retire_key", kid=status.record.kid),
            "revoke": seal_action(service, subject, "revoke_key", kid=status.record.kid),
        }
        for status in get_keys(request.registry).list_all()
    ]
    ticket, route = seal_action(service, subject, "rotate_keys"), f"{ADMIN_ROUTE}.keys"
    return render_admin(service, request, subject, "keys", route=route, keys=keys, ticket=ticket)


def _describe_client(service: Service, request: Request, subject: str, client: Client) -> dict[str, Any]:
    used = [secret.last_used_at for secret in client.secrets if secret.last_used_at is not None]
    return {
        "client": client,
        "page": build_path(request, CLIENT_ROUTE, {"client_id": client.client_id}),
        "last_used": format_moment(request, max(used)) if used else None,
        "rotate": seal_action(service, subject, "rotate_secret", client_id=client.client_id),
        "disable": seal_action(service, subject, "disable_client", client_id=client.client_id),
    }
