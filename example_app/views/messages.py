"""/api: one message for everybody, one for any valid token, one for a scope."""

# ruff: noqa: S106  # token_check and token_require are not passwords

from __future__ import annotations

from typing import Any

from pyramid.request import Request
from pyramid.view import view_config

__all__: list[str] = []


@view_config(route_name="public", request_method="GET", renderer="json", openapi=True)
def show_public(context: Any, request: Request) -> dict[str, Any]:
    """Open: no token is looked at."""
    return {"message": "Anybody may read this."}


@view_config(route_name="private", request_method="GET", renderer="json", token_check="local", openapi=True)
def show_private(context: Any, request: Request) -> dict[str, Any]:
    """Any valid token will do."""
    token = request.access_token
    return {"message": "You brought a valid access token.", "client": token.client_id, "subject": token.subject}


@view_config(
    route_name="private_scoped",
    request_method="GET",
    renderer="json",
    token_check="local",
    token_require="read:messages",
    openapi=True,
)
def show_private_scoped(context: Any, request: Request) -> dict[str, Any]:
    """A valid token with the scope. There is no ACL here: the view itself names it."""
    return {"message": "Your access token may read messages."}
