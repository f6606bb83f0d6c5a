"""A refusal as an answer: status, WWW-Authenticate (RFC 6750 section 3), problem document (RFC 9457)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from http.client import responses
from typing import Any, Final

from pyramid.httpexceptions import HTTPForbidden, HTTPServiceUnavailable
from pyramid.request import Request
from pyramid.response import Response

from ..errors import InsufficientUserAuthentication, OAuthGuardError, TokenError, UnavailableError

__all__ = ["Challenger", "find_refusal", "mark_refusal", "mark_response"]

_VARIES: Final = frozenset({"authorization", "*"})
_VARY: Final = ("Vary", "Authorization")
_NO_STORE: Final = ("Cache-Control", "no-store")
_DRESSED: Final = "_oauthguard_dressed"
_UNAVAILABLE: Final = "The access token can't be checked at the moment. Try again later."


class Challenger:
    """Renders refusals for one application.

    :param realm: named in every challenge.
    :param find_metadata_url: the address of the RFC 9728 document of a request's resource, by its environment, or None.
    """

    def __init__(self, realm: str, find_metadata_url: Callable[[Mapping[str, Any]], str | None]) -> None:
        self._realm = realm
        self._find_metadata_url = find_metadata_url

    def render(self, request: Request, error: OAuthGuardError) -> Response:
        """The answer to a request that was refused with ``error``.

        Holds fixed words only: nothing of the request, the token, the issuer or a library gets in, but for
        the names of the scopes that the view wants.
        """
        response: Response = self.dress(Response(), request, error=error)
        return response

    def dress(self, response: Any, request: Request, *, error: OAuthGuardError) -> Any:
        """Make ``response`` that answer. It may be an HTTP exception, for whichever view answers that as it is: the
        forbidden view may be one of another package that does not handle tokens, such as Cornice's."""
        body = json.dumps(self._build_problem(error), separators=(",", ":")).encode()
        response.status = f"{error.status} {_find_title(error)}"
        response.app_iter = [body]
        response.headerlist = [
            ("Content-Type", "application/problem+json"),
            *self._find_headers(request, error),
            ("Content-Length", str(len(body))),
            _VARY,
            _NO_STORE,
        ]
        response.__dict__[_DRESSED] = True
        return response

    def _build_problem(self, error: OAuthGuardError) -> dict[str, Any]:
        detail = error.description if isinstance(error, TokenError) else _UNAVAILABLE
        problem = {"type": "about:blank", "title": _find_title(error), "status": error.status, "detail": detail}
        if isinstance(error, TokenError) and error.code:
            problem["error"] = error.code
        if isinstance(error, TokenError):
            problem |= _find_needs(error)
        return problem

    def _find_headers(self, request: Request, error: OAuthGuardError) -> tuple[tuple[str, str], ...]:
        if isinstance(error, TokenError):
            return (("WWW-Authenticate", self._render_challenge(request, error)),)
        return (("Retry-After", str(error.retry_after)),) if isinstance(error, UnavailableError) else ()

    def _render_challenge(self, request: Request, error: TokenError) -> str:
        parts = {"realm": self._realm}
        if error.code:
            parts["error"] = error.code
            parts["error_description"] = error.description
        parts |= _find_needs(error)
        metadata_url = self._find_metadata_url(request.environ)
        if metadata_url:
            parts["resource_metadata"] = metadata_url  # RFC 9728 section 5.1
        return "Bearer " + ", ".join(f"{name}={_quote(value)}" for name, value in parts.items())

    def handle_forbidden(self, context: Any, request: Request) -> Response:
        """The forbidden view: a refusal of ours becomes its challenge, any other HTTPForbidden stays what it is."""
        error = find_refusal(context)
        if not isinstance(error, OAuthGuardError) or _DRESSED in context.__dict__:
            return context
        return self.render(request, error)


def _find_needs(error: TokenError) -> dict[str, str]:
    """What would be enough (RFC 6750 section 3, RFC 9470 section 3)."""
    needs = {"scope": " ".join(error.scopes)} if error.scopes else {}
    if isinstance(error, InsufficientUserAuthentication):
        if error.acr_values:
            needs["acr_values"] = " ".join(error.acr_values)
        if error.max_age is not None:
            needs["max_age"] = str(error.max_age)
    return needs


def _find_title(error: OAuthGuardError) -> str:
    return responses.get(error.status, "Refused")


def find_refusal(forbidden: Any) -> Any:
    """The guard's reason for an HTTPForbidden; None for one that somebody else raised, in whatever shape."""
    return getattr(getattr(forbidden, "result", None), "error", None) if isinstance(forbidden, HTTPForbidden) else None


def mark_response(_request: Request, response: Any) -> None:
    """No cache may hand one caller's answer to another, unless the view says how (RFC 9111 sections 3.5 and 4.1)."""
    headers = response.headerlist
    vary = cached = False
    for name, value in headers:
        lower = name.lower()
        if lower == "vary":
            vary = vary or not _VARIES.isdisjoint(value.lower().replace(" ", "").split(","))
        elif lower == "cache-control":
            cached = True
    if not vary:
        headers.append(_VARY)
    if not cached:
        headers.append(_NO_STORE)


def mark_refusal(request: Request, response: Any) -> None:
    """:func:`mark_response`, once all others are done with the request; and where its traceback led.

    A traceback holds the frames that hold the request that holds the traceback: a flood of bad tokens would fill the
    memory until the collector of cycles comes round. Of a refusal it says nothing.
    """
    mark_response(request, response)
    exception = request.exception
    if isinstance(exception, (HTTPForbidden, HTTPServiceUnavailable)):
        request.exc_info = (type(exception), exception.with_traceback(None), None)


def _quote(value: str) -> str:
    """A quoted-string (RFC 9110 section 5.6.4); what can't stand in a header is left out."""
    return '"' + re.sub(r'(["\\])', r"\\\1", re.sub(r"[^\x20-\x7e]", "", value)) + '"'
