"""What a page tells a user once, after a form was sent: it is carried by a cookie, and sealed for this user.

A page must not say "connected" to a user who only followed a link. So the text does not depend on the address. The cookie is
set with the redirect after the form, and removed when the page is shown.
"""

from __future__ import annotations

from typing import Any, Final

from pyramid.request import Request

from ..service import Service
from .tickets import open_ticket, seal_ticket

__all__ = ["leave_notice", "remove_notice", "take_notice"]

_NAME: Final = "oauthguard_notice"
_LIFETIME_SECONDS: Final = 60
_PURPOSE: Final = "notice"
_PADDING: Final = "="  # has a meaning of its own in cookies


def leave_notice(service: Service, response: Any, text: str, *, page: str, subject: str) -> Any:
    """Add a notice for the next page to the redirect after a form. Returns the response.

    :param text: a word that the page knows.
    :param page: the name of the page's route.
    """
    ticket = seal_ticket(service.pepper, _PURPOSE, {"page": page, "text": text}, subject=subject)
    return _set_cookie(service, response, ticket.rstrip(_PADDING), lifetime=_LIFETIME_SECONDS)


def take_notice(service: Service, request: Request, *, page: str, subject: str) -> str | None:
    """The notice for this page and this user, or None."""
    sealed = request.cookies.get(_name_cookie(service), "")
    ticket = open_ticket(service.pepper, _PURPOSE, sealed + _PADDING * (-len(sealed) % 4), subject=subject)
    if ticket is None or ticket["page"] != page:
        return None
    text: str = ticket["text"]
    return text


def remove_notice(service: Service, response: Any) -> Any:
    """Let the browser delete the notice. Returns the response."""
    return _set_cookie(service, response, "", lifetime=0)


def _set_cookie(service: Service, response: Any, value: str, *, lifetime: int) -> Any:
    response.set_cookie(
        _name_cookie(service),
        value,
        max_age=lifetime,
        path="/",
        secure=_is_secure(service),
        httponly=True,
        samesite="Strict",
    )
    return response


def _name_cookie(service: Service) -> str:
    return f"__Host-{_NAME}" if _is_secure(service) else _NAME


def _is_secure(service: Service) -> bool:
    return service.settings.issuer.startswith("https:")
