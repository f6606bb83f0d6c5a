"""One user: what they allowed, and the buttons that end it."""

from __future__ import annotations

from typing import Any, Final

from pyramid.request import Request

from ..consent.languages import format_moment
from ..service import Service
from ..store.contract import Unit
from ..users import get_users
from .access import ADMIN_ROUTE, read_values
from .frame import render_admin
from .sealing import seal_action

__all__ = ["show_user"]

_SHOWN: Final = 200


def show_user(service: Service, request: Request, subject: str) -> Any:
    """The clients that the user of the query allowed something, and each grant."""
    wanted = read_values(request).get("subject", "")
    query = {"subject": wanted} if wanted else {}
    values = _describe(service, request, subject, wanted) if wanted else {"allowed": [], "grants": []}
    return render_admin(
        service, request, subject, "users", route=f"{ADMIN_ROUTE}.users", query=query, wanted=wanted, **values
    )


def _describe(service: Service, request: Request, subject: str, wanted: str) -> dict[str, Any]:
    users = get_users(request.registry)
    grants = users.list_grants(wanted, limit=_SHOWN)
    consents = users.list_consents(wanted, limit=_SHOWN)
    with service.store.reading() as unit:
        client_ids = [each.client_id for each in consents] + [each.client_id for each in grants]
        names = _name_clients(unit, client_ids)
    return {
        "is_cut": _SHOWN in (len(grants), len(consents)),
        "allowed": [
            {
                "client_id": client_id,
                "name": names[client_id],
                "ticket": seal_action(service, subject, "withdraw", client_id=client_id, subject=wanted),
            }
            for client_id in dict.fromkeys(each.client_id for each in consents)
        ],
        "grants": [
            {
                "name": names[each.client_id],
                "scopes": each.scopes,
                "made": format_moment(request, each.created_at),
                "ticket": seal_action(service, subject, "end_grant", grant_id=each.grant_id, subject=wanted),
            }
            for each in grants
        ],
        "end": seal_action(service, subject, "end_user", subject=wanted),
        "forget": seal_action(service, subject, "forget_user", subject=wanted),
    }


def _name_clients(unit: Unit, client_ids: list[str]) -> dict[str, str]:
    found = {client_id: unit.find_client(client_id) for client_id in dict.fromkeys(client_ids)}
    return {client_id: client_id if client is None else client.name for client_id, client in found.items()}
