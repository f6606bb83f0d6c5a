"""The hooks that the authorization server calls about the users of this application."""

from __future__ import annotations

from typing import Any

from pyramid.httpexceptions import HTTPSeeOther
from pyramid.request import Request
from pyramid.response import Response

from .database import open_session
from .documents import CLIENT_ID, build_redirect_uri
from .models import User
from .parts import Parts
from .sign_ins import leave
from .users import find_sign_in_time, find_signed_in

__all__ = ["ResourceOwner"]


class ResourceOwner:
    """The hooks of ``config.set_resource_owner``, for the application that ``registry`` belongs to."""

    def __init__(self, registry: Any) -> None:
        self._registry = registry

    def user(self, request: Request) -> str | None:
        """The ``sub`` of the user who is signed in."""
        user = find_signed_in(request)
        return user.id if user else None

    def sign_in(self, request: Request) -> Response:
        """303 to the sign-in page, which leads back here."""
        return HTTPSeeOther(request.route_path("sign_in", _query={"next": request.path_qs}))

    def sign_out(self, request: Request) -> None:
        """Let somebody else sign in: "Not you?" on the pages. The session's cookie is set with the answer."""
        leave(request)

    def approve(self, request: Request, authorization: Any) -> bool:
        """Every user may approve every client here. The answer for Swagger UI goes to its one page: on 127.0.0.1 the server
        itself would allow any port (RFC 8252 section 7.3)."""
        parts: Parts = self._registry["example_app.parts"]
        home = build_redirect_uri(parts.issuer)
        return bool(authorization.client.client_id != CLIENT_ID or authorization.redirect_uri == home)

    def auth_time(self, request: Request) -> float | None:
        """When they signed in."""
        return find_sign_in_time(request)

    def user_name(self, subject: str) -> str | None:
        """What the consent page calls them."""
        with open_session(self._registry) as db:
            user = db.get(User, subject)
            return user.name if user else None

    def is_active(self, subject: str) -> bool:
        """Whether the user still exists: the tokens of a removed user are inactive."""
        with open_session(self._registry) as db:
            return db.get(User, subject) is not None
