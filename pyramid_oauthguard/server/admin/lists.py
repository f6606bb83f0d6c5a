"""The lists: clients with their last use, what a user allowed, and signing keys."""

from __future__ import annotations

from typing import Any

from pyramid.request import Request

from ..clients.registry import get_clients
from ..consent.account import describe_account
from ..consent.languages import format_moment
from ..consent.pages import render_page
from ..http.mount_point import build_path
from ..http.parameters import read_query
from ..keys.registry import get_keys
from ..service import Service
from ..store.records import Client
from .access import ADMIN_ROUTE
from .actions import seal_action, seal_creation

__all__ = ["show_clients", "show_keys", "show_start", "show_user"]


def show_start(service: Service, request: Request, subject: str) -> Any:
    """The links to the other pages."""
    return _render(service, request, subject, "start")


def show_clients(service: Service, request: Request, subject: str) -> Any:
    """All clients, and the form for a new one."""
    found = get_clients(request.registry).list_all()
    clients = [_describe_client(service, request, subject, client) for client in found]
    return _render(service, request, subject, "clients", clients=clients, ticket=seal_creation(service, subject))


def show_user(service: Service, request: Request, subject: str) -> Any:
    """What one user allowed, each with a button that ends it with all its tokens."""
    wanted = read_query(request).values.get("subject", "")
    with service.store.reading() as unit:
        client_ids = list(dict.fromkeys(each.client_id for each in unit.list_consents(wanted)))
        clients = [unit.find_client(client_id) for client_id in client_ids]
    allowed = [
        {
            "client_id": client.client_id,
            "name": client.name,
            "ticket": seal_action(service, subject, "withdraw", client_id=client.client_id, subject=wanted),
        }
        for client in clients
        if client is not None
    ]
    return _render(service, request, subject, "users", wanted=wanted, allowed=allowed)


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
    return _render(service, request, subject, "keys", keys=keys, ticket=seal_action(service, subject, "rotate_keys"))


def _describe_client(service: Service, request: Request, subject: str, client: Client) -> dict[str, Any]:
    used = [secret.last_used_at for secret in client.secrets if secret.last_used_at is not None]
    return {
        "client": client,
        "last_used": format_moment(request, max(used)) if used else None,
        "rotate": seal_action(service, subject, "rotate_secret", client_id=client.client_id),
        "disable": seal_action(service, subject, "disable_client", client_id=client.client_id),
    }


def _render(service: Service, request: Request, subject: str, name: str, **values: Any) -> Any:
    pages = {each: build_path(request, f"{ADMIN_ROUTE}.{each}") for each in ("clients", "users", "keys", "audit")}
    account = describe_account(service, request, subject, route=request.matched_route.name)
    return render_page(
        request, f"admin_{name}", action=build_path(request, ADMIN_ROUTE), pages=pages, **account, **values
    )
