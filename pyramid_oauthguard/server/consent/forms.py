"""Forms of our pages that come back: who sent them, and what their tickets carry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pyramid.request import Request

from ..http.errors import OAuth2Error
from ..service import Service
from .resource_owner import ask_user
from .tickets import FIELD, find_content, open_ticket

__all__ = ["ExpiredPageError", "SentForm", "SessionEndedError", "require_form"]


class ExpiredPageError(OAuth2Error):
    """The ticket is not ours, not of this user or too old: the user has to open the page again."""

    error = "expired_page"


class SessionEndedError(Exception):
    """The form is ours, but its user is no longer signed in; ``content`` is what the ticket carries.

    The content may only be used to show the page again to the user who signs in next.
    """

    def __init__(self, content: Mapping[str, Any]) -> None:
        super().__init__("session ended")
        self.content = content


@dataclass(frozen=True, slots=True)
class SentForm:
    """A form that the signed-in user was shown and has sent."""

    subject: str
    content: Mapping[str, Any]


def require_form(service: Service, request: Request, fields: Mapping[str, str], *, purpose: str) -> SentForm:
    """The form with these fields, if this user was shown it.

    :param purpose: of its ticket.
    :raises SessionEndedError: no user is signed in any more.
    :raises ExpiredPageError: the ticket does not open.
    """
    ticket, subject = fields.get(FIELD), ask_user(service, request)
    if subject is None:
        content = find_content(service.pepper, purpose, ticket)
        raise ExpiredPageError if content is None else SessionEndedError(content)
    content = open_ticket(service.pepper, purpose, ticket, subject=subject)
    if content is None:
        raise ExpiredPageError
    return SentForm(subject, content)
