"""What the application's hooks answer about its users, with a default for each hook that it does not have."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any, Final

from pyramid.request import Request

from ...interfaces import ITokensOnPages
from ..grants.user_grants import check_no_document
from ..http.errors import ServerError
from ..request_ids import HEADER, find_request_id
from ..service import Service
from .request import AuthorizationRequest
from .token_schemes import brings_token

__all__ = [
    "ask_acr",
    "ask_auth_time",
    "ask_principals",
    "ask_user",
    "can_sign_out",
    "is_approvable",
    "sign_in",
    "sign_out",
]

_LATEST_SECONDS: Final = 2**53  # what JSON keeps exactly
_MAX_ACR_CHARACTERS: Final = 255
log = logging.getLogger("pyramid_oauthguard.server")


def ask_user(service: Service, request: Request) -> str | None:
    """The ``sub`` of the user signed in, as the application returns it; not checked.

    None, without asking the application, for a request with an access token in its Authorization header: the application may
    take the user from that token, and then the token could approve requests and give itself every scope. In the other
    places where the guard may find a token, it finds none here; a browser sends those with every request, and a session
    counts beside them.
    """
    if brings_token(request.environ.get("HTTP_AUTHORIZATION")):
        log.info(
            "request %s: a page for users was asked for with an access token: signed out", find_request_id(request)
        )
        return None
    ignore_tokens = request.registry.queryUtility(ITokensOnPages)
    if ignore_tokens is not None:
        ignore_tokens(request)
    found = service.owner.user(request)
    if found is not None and not isinstance(found, str):
        raise _build_error("user", found, "text, the sub of the user: return str(user.id)")
    if found is not None:
        check_no_document(found, service.settings)
    return found


def sign_in(service: Service, request: Request) -> Any:
    """The application's response that has the user sign in and come back to this address; no cache keeps it, and it does not
    tell the sign-in page's links where the user came from."""
    response = service.owner.sign_in(request)
    if not hasattr(response, "headers"):
        raise _build_error("sign_in", response, "a response, such as HTTPSeeOther(request.route_path('sign_in'))")
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers.setdefault("Referrer-Policy", "no-referrer")
    response.headers.pop(HEADER, None)  # of an earlier request, if the application returns one response object for all
    return response


def can_sign_out(owner: Any) -> bool:
    """Whether the application lets the pages sign a user out, so that somebody else can sign in."""
    return hasattr(owner, "sign_out")


def sign_out(service: Service, request: Request) -> list[tuple[str, str]]:
    """Let the application sign the user out. Returns the headers that it wants to have in the answer, such as those of
    :func:`pyramid.security.forget`."""
    hook = getattr(service.owner, "sign_out", None)
    found = None if hook is None else hook(request)
    try:
        return [(str(name), str(value)) for name, value in found or ()]
    except (TypeError, ValueError):
        raise _build_error(
            "sign_out", found, "None, or headers as pyramid.security.forget(request) returns them"
        ) from None


def is_approvable(service: Service, request: Request, authorization: AuthorizationRequest) -> bool:
    """Whether the application lets this user approve this request; it does unless its hook returns False."""
    approve = getattr(service.owner, "approve", None)
    return approve is None or bool(approve(request, authorization))


def ask_auth_time(service: Service, request: Request) -> float | None:
    """When the user signed in, or None if the application does not tell it (RFC 9068 section 2.2.1)."""
    hook = getattr(service.owner, "auth_time", None)
    found = None if hook is None else hook(request)
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, (int, float)) or not 0 <= found <= _LATEST_SECONDS:
        raise _build_error("auth_time", found, "seconds since the epoch, such as moment.timestamp()")
    return float(found)


def ask_acr(service: Service, request: Request) -> str | None:
    """How the user signed in, or None if the application does not tell it (OpenID Connect Core 1.0 section 2)."""
    hook = getattr(service.owner, "acr", None)
    found = None if hook is None else hook(request)
    if found is not None and not (
        isinstance(found, str) and 0 < len(found) <= _MAX_ACR_CHARACTERS and found.isprintable()
    ):
        raise _build_error("acr", found, f"1 to {_MAX_ACR_CHARACTERS} printable characters, or None")
    return found


def ask_principals(service: Service, request: Request) -> frozenset[str]:
    """Further principals of the user signed in; none if the application does not tell any."""
    hook = getattr(service.owner, "principals", None)
    found = None if hook is None else hook(request)
    if found is None:
        return frozenset()
    names = tuple(found) if isinstance(found, Iterable) and not isinstance(found, str) else (None,)
    if not all(isinstance(name, str) for name in names):
        raise _build_error("principals", found, "a list of principals, such as ['group:staff'], or None")
    return frozenset(names)


def _build_error(hook: str, found: Any, wanted: str) -> ServerError:
    """The error for a mistake of the application. Only the log says what it is; the client and the user are told no
    details."""
    log.error(
        "%s() of the resource owner returned a value of type %s; it must be %s", hook, type(found).__name__, wanted
    )
    return ServerError()
