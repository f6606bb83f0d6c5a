"""Who may administer: users with a principal that the setting ``admin`` names; for changes, only soon after they signed in."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

from pyramid.request import Request

from ...errors import SettingError
from ..consent.account import describe_account
from ..consent.pages import render_page
from ..consent.resource_owner import ask_auth_time, ask_principals, ask_user, sign_in
from ..directives import IResourceOwner
from ..grants.user_grants import check_subject
from ..http.errors import InvalidRequestError
from ..http.parameters import read_query
from ..service import Service, find_service
from ..settings import PREFIX, ServerSettings

__all__ = [
    "ADMIN_ROUTE",
    "check_hooks",
    "guard_page",
    "guard_page_of_outages",
    "has_signed_in_lately",
    "is_administrator",
    "is_recent",
    "list_names",
    "read_values",
]

ADMIN_ROUTE: Final = "oauthguard.admin"
_MOST_CHARACTERS: Final = 255
_RECENT_SECONDS: Final = 300.0
_FUTURE_SECONDS: Final = 5.0
#: No page of another site gets a window with one of these pages, or loads one of their files as an image or a script: from
#: times and sizes it could find out what exists.
_ISOLATED: Final = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin"}
_HOOKS: Final = ("auth_time", "sign_out")

Page = Callable[[Service, Request, str], Any]


def check_hooks(registry: Any, settings: ServerSettings) -> None:
    """Check that the application can say when a user signed in, and can have them sign in again.

    :raises SettingError: it can't.
    """
    owner = registry.queryUtility(IResourceOwner)
    lacking = [name for name in _HOOKS if not hasattr(owner, name)]
    if settings.admin and lacking:
        hint = "add it to the object of config.set_resource_owner: changes need a new sign-in"
        raise SettingError(f"{PREFIX}.admin", f"needs the method {lacking[0]} of the resource owner", hint)


def guard_page(page: Page, *, signed_out: Callable[[Service, Request], Any] = sign_in) -> Callable[[Request], Any]:
    """A view that calls ``page`` with the service, the request and the administrator's ``sub``.

    :param signed_out: called if no user is signed in.
    """

    def view(request: Request) -> Any:
        service = find_service(request)
        subject = ask_user(service, request)
        if subject is None:
            return signed_out(service, request)
        with service.store.reading() as unit:
            check_subject(unit, subject)
        return _show(page, service, request, subject)

    return view


def guard_page_of_outages(page: Page) -> Callable[[Request], Any]:
    """Like :func:`guard_page`, for a page that must be there when the storage can't be reached, and changes nothing."""

    def view(request: Request) -> Any:
        service = find_service(request)
        subject = ask_user(service, request)
        return sign_in(service, request) if subject is None else _show(page, service, request, subject)

    return view


def _show(page: Page, service: Service, request: Request, subject: str) -> Any:
    if is_administrator(service, request, subject):
        request.oauthguard_administrator = subject  # the audit trail names them
        response = page(service, request, subject)
    else:
        account = describe_account(service, request, subject, route=ADMIN_ROUTE)
        response = render_page(request, "admin_refused", status=403, **account)
    response.headers.update(_ISOLATED)  # on both: another site must not learn who is an administrator
    return response


def is_administrator(service: Service, request: Request, subject: str) -> bool:
    """Whether this user is active and has a principal that the setting names: ``user:SUB``, or one that the hook
    ``principals`` returns."""
    if not service.is_active_user(subject):
        return False
    held = {f"user:{subject}", *ask_principals(service, request)}
    return not held.isdisjoint(service.settings.admin)


def read_values(request: Request) -> Mapping[str, str]:
    """The query of a page or a call. It is compared with what is stored, so it must be text that can be stored.

    :raises InvalidRequestError: a value is longer than an identifier can be, or has characters that are not printable, or a parameter is repeated: a filter that is
        left out would show, or end, more than was asked for.
    """
    values = read_query(request).values
    if not all(value.isprintable() and len(value) <= _MOST_CHARACTERS for value in values.values()):
        raise InvalidRequestError(f"The parameters must have at most {_MOST_CHARACTERS} characters, all printable.")
    names = list_names(request)
    if len(names) != len(set(names)):
        raise InvalidRequestError("A parameter is repeated.")
    return values


def list_names(request: Request) -> list[str]:
    """The names of the parameters in the query, which :func:`.read_query` has accepted; also of those without a value."""
    return [name for name, _value in parse_qsl(request.query_string, keep_blank_values=True)]


def has_signed_in_lately(service: Service, request: Request) -> bool:
    """Whether the user signed in at most five minutes ago."""
    return is_recent(ask_auth_time(service, request), time.time())


def is_recent(signed_in_at: float | None, now: float) -> bool:
    """Whether a sign-in was at most five minutes ago."""
    return signed_in_at is not None and -_FUTURE_SECONDS <= now - signed_in_at <= _RECENT_SECONDS
