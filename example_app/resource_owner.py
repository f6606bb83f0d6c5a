"""The hooks that the authorization server calls about the users of this application."""

from __future__ import annotations

from typing import Any

from pyramid.httpexceptions import HTTPSeeOther
from pyramid.request import Request
from pyramid.response import Response

from .database import open_session
from .models import User
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

    def approve(self, request: Request, authorization: Any) -> bool:
        """Every user may approve every client here."""
        return True

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
