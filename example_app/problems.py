"""Every refusal as a problem document (RFC 9457), or as a page for a browser. The guard writes its own for 401 and 403."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from pyramid.config import Configurator
from pyramid.exceptions import URLDecodeError
from pyramid.httpexceptions import (
    HTTPBadRequest,
    HTTPClientError,
    HTTPException,
    HTTPMethodNotAllowed,
    HTTPNotFound,
    HTTPServiceUnavailable,
    HTTPUnprocessableEntity,
)
from pyramid.request import Request
from pyramid.response import Response
from pyramid.tweens import EXCVIEW
from sqlalchemy.exc import DBAPIError, TimeoutError  # noqa: A004  # of the pool

from pyramid_oauthguard.outages import Outages, name_cause
from pyramid_oauthguard.server.http.exact_path import ExactPath

from .error_pages import is_for_people, show_error

__all__ = ["InvalidFields", "InvalidParameters", "Missing", "WrongField", "add_resource", "render_problem"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WrongField:
    """What is wrong with one field of a body, or one parameter of a query."""

    field: str
    detail: str


class InvalidFields(HTTPUnprocessableEntity):
    """422: the body can be read, but its fields can't be used."""

    def __init__(self, errors: tuple[WrongField, ...]) -> None:
        super().__init__("Some fields can't be used.")
        self.errors = errors


class InvalidParameters(HTTPBadRequest):
    """400: the query's parameters can't be used."""

    def __init__(self, errors: tuple[WrongField, ...]) -> None:
        super().__init__("Some parameters of the query can't be used.")
        self.errors = errors


class Missing(HTTPNotFound):
    """404 for a thing that does not exist; its detail is shown, unlike that of an unknown address."""


def includeme(config: Configurator) -> None:
    """Answer 4xx with problem documents, and a database that can't be used with 503."""
    config.add_route_predicate("exact_path", ExactPath)
    config.add_notfound_view(_render_not_found)
    config.add_exception_view(render_problem, context=Missing)
    config.add_exception_view(render_problem, context=HTTPClientError)
    config.add_exception_view(_render_undecodable, context=URLDecodeError)
    # Outside of the transaction: a commit can fail too, after every view is done.
    config.add_tween(f"{__name__}.storage_tween_factory", over=["pyramid_tm.tm_tween_factory", EXCVIEW])


def add_resource(config: Configurator, name: str, pattern: str, *methods: str, **options: Any) -> None:
    """Add a route that has these methods, and answers any other with 405 where Pyramid would say 404."""
    config.add_route(name, pattern, exact_path=True, **options)
    # No predicate: it is found only when no other view of the route fits.
    config.add_view(_build_fallback(*methods), route_name=name)


def _build_fallback(*methods: str) -> Callable[[Any, Request], Response]:
    """A view for the methods that a resource does not have: 405, or for OPTIONS 204, with ``Allow``."""
    allow = ", ".join([*methods, "OPTIONS"])

    def answer_other_method(context: Any, request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status=204, headerlist=[("Allow", allow)])
        error = HTTPMethodNotAllowed(f"This resource has {allow}.")
        error.headers["Allow"] = allow
        raise error

    return answer_other_method


def _render_not_found(error: HTTPException, request: Request) -> Response:
    return _answer(HTTPNotFound(), request, "Nothing is here.")


def _render_undecodable(error: UnicodeDecodeError, request: Request) -> Response:
    return _answer(HTTPBadRequest(), request, "The address is not UTF-8.")


def render_problem(error: HTTPException, request: Request) -> Response:
    """``error`` as a problem document or as a page, unless a view has written its body."""
    if error.has_body:  # a view has written it on purpose
        return error
    return _answer(error, request, error.detail or error.explanation)


def _answer(error: HTTPException, request: Request, detail: str) -> Response:
    response = show_error(error, request, detail) if is_for_people(request) else _write(error, detail)
    response.vary = (*(response.vary or ()), "Accept")
    return response


def _write(error: HTTPException, detail: str) -> Response:
    """``error`` with its status and headers, its body a problem document."""
    problem: dict[str, Any] = {"type": "about:blank", "title": error.title, "status": error.code, "detail": detail}
    errors = getattr(error, "errors", ())
    if errors:
        problem["errors"] = [asdict(each) for each in errors]
    error.content_type = "application/problem+json"
    error.charset = None
    error.body = json.dumps(problem).encode("ascii")
    error.headers["X-Content-Type-Options"] = "nosniff"
    return error


def storage_tween_factory(handler: Any, registry: Any) -> Callable[[Request], Response]:
    """503 when the database is down or locked: not the caller's fault; a later request may succeed."""
    outages = Outages(_log)

    def storage_tween(request: Request) -> Response:
        try:
            response = handler(request)
        except (DBAPIError, TimeoutError) as error:
            cause = name_cause(error)
            outages.report(cause, f"The database failed: {cause}")
            _log.debug("The database failed", exc_info=error)
            answer = HTTPServiceUnavailable(headers={"Retry-After": "5"})
            return _answer(answer, request, "The database can't be used at the moment.")
        if "db" in request.__dict__:  # it was used
            outages.settle()
        return response

    return storage_tween
