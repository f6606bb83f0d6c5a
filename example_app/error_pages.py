"""What a browser is shown where a program gets a problem document."""

from __future__ import annotations

from typing import Final

from pyramid.httpexceptions import HTTPException
from pyramid.renderers import render_to_response
from pyramid.request import Request
from pyramid.response import Response

from .languages import choose_language
from .page_headers import set_page_headers

__all__ = ["is_for_people", "show_error"]

_API: Final = ("/customers", "/api/", "/mcp")
_KEPT_HEADERS: Final = ("Allow", "Retry-After")


def is_for_people(request: Request) -> bool:
    """Whether a browser asks for a page, not a program for a resource of the API."""
    environ = request.environ
    return "text/html" in environ.get("HTTP_ACCEPT", "") and not environ.get("PATH_INFO", "").startswith(_API)


def show_error(error: HTTPException, request: Request, detail: str) -> Response:
    """A page that says what is wrong, and has a link to the home page. It uses neither the session nor the database: these may be the cause.

    :param detail: the cause as a program gets it.
    """
    values = {"language": choose_language(request), "status": error.code, "detail": detail}
    response = render_to_response("example_app:templates/error.jinja2", values, request)
    response.status = error.code
    response.headers.update({name: error.headers[name] for name in _KEPT_HEADERS if name in error.headers})
    set_page_headers(response)
    return response
