"""One client: the form that edits it, its secrets and its keys."""

from __future__ import annotations

import time
from typing import Any, Final

from pyramid.request import Request

from ..clients.keys import list_names
from ..clients.registry import get_clients
from ..clients.versions import find_version
from ..consent.languages import format_moment
from ..consent.pages import redirect
from ..http.mount_point import build_path
from ..service import Service
from ..store.records import Client, ClientSecret
from .access import ADMIN_ROUTE, read_values
from .client_form import describe_fields
from .frame import render_admin
from .sealing import seal_action

__all__ = ["CLIENT_ROUTE", "render_client", "show_client"]

CLIENT_ROUTE: Final = f"{ADMIN_ROUTE}.client"


def show_client(service: Service, request: Request, subject: str) -> Any:
    """The page of the client that the query names; the list if there is none."""
    client = get_clients(request.registry).find(read_values(request).get("client_id", ""))
    if client is None:
        return redirect(build_path(request, f"{ADMIN_ROUTE}.clients"))
    return render_client(service, request, subject, client)


def render_client(
    service: Service,
    request: Request,
    subject: str,
    client: Client,
    *,
    version: str | None = None,
    values: dict[str, Any] | None = None,
    **more: Any,
) -> Any:
    """The page of a client.

    :param version: that the administrator has seen; None: the present one.
    :param values: of the form; None: those of the client.
    :param more: the ``problem`` of a form that was sent, and the ``status`` of the answer.
    """
    seen = version or find_version(client)
    secrets = [_describe_secret(service, request, subject, client, each) for each in client.secrets]
    return render_admin(
        service,
        request,
        subject,
        "client",
        route=CLIENT_ROUTE,
        query={"client_id": client.client_id},
        client=client,
        values=values or describe_fields(client),
        ticket=seal_action(service, subject, "edit_client", client_id=client.client_id, version=seen),
        secrets=[each for each in secrets if each is not None],
        keys=[] if client.jwks is None else list_names(client.jwks),
        replace=seal_action(service, subject, "replace_client_keys", client_id=client.client_id),
        **more,
    )


def _describe_secret(
    service: Service, request: Request, subject: str, client: Client, secret: ClientSecret
) -> dict[str, Any] | None:
    """A secret that lives, with the ticket of the button that ends it."""
    if not secret.is_live(time.time()):
        return None
    return {
        "secret_id": secret.secret_id,
        "label": secret.label,
        "made": format_moment(request, secret.created_at),
        "last_used": None if secret.last_used_at is None else format_moment(request, secret.last_used_at),
        "expires": None if secret.expires_at is None else format_moment(request, secret.expires_at),
        "ticket": seal_action(service, subject, "end_secret", client_id=client.client_id, secret_id=secret.secret_id),
    }
