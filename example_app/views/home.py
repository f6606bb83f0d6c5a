"""The home page: the tour where it can be, and in any case what there is and where tokens come from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pyramid.csrf import get_csrf_token
from pyramid.renderers import render_to_response
from pyramid.request import Request
from pyramid.view import view_config

from .. import demo
from ..documents import CLIENT_ID, build_document
from ..languages import choose_language
from ..page_headers import SCRIPTED, set_page_headers
from ..parts import Parts

__all__ = ["render_home"]

_TEMPLATE: Final = "example_app:templates/home.jinja2"
_METHODS: Final = ("get", "post", "put", "patch", "delete")


@view_config(route_name="home", request_method="GET", renderer=_TEMPLATE)
def show_home(context: Any, request: Request) -> dict[str, Any]:
    """The page, with no step taken."""
    set_page_headers(request.response, SCRIPTED)
    return _build_home(request)


def render_home(request: Request, step: str, result: Any) -> Any:
    """The page after a step of the tour, as an answer."""
    response = render_to_response(_TEMPLATE, _build_home(request, step, result), request)
    set_page_headers(response, SCRIPTED)
    return response


def _build_home(request: Request, step: str = "", result: Any = None) -> dict[str, Any]:
    parts: Parts = request.registry["example_app.parts"]
    return {
        "language": choose_language(request),
        "parts": parts,
        "address": request.application_url,
        "operations": list(_list_operations(request)) if parts.guard else [],
        "manual": request.registry["example_app.manual"],
        "client": demo.MANAGER,
        "secret": demo.MANAGER_SECRET,
        "docs_client": CLIENT_ID,
        "name": demo.USER,
        "password": demo.PASSWORD,
        "step": step,
        "result": result,
        **(_find_person(request) if parts.server else {"user": None}),
        **(_find_state(request) if parts.tour else {"seen": {}, "has_token": False}),
    }


def _list_operations(request: Request) -> Iterator[dict[str, Any]]:
    """The endpoints as the API's document has them: what it says about tokens comes from the views."""
    for path, item in build_document(request)["paths"].items():
        for method in _METHODS:
            if method in item:
                yield _describe(method, path, item[method])


def _describe(method: str, path: str, operation: dict[str, Any]) -> dict[str, Any]:
    scopes = [" ".join(names) for requirement in operation["security"] for names in requirement.values()]
    return {
        "method": method.upper(),
        "path": path,
        "summary": operation["summary"],
        "check": operation.get("x-token-check", ""),
        "scopes": list(filter(None, scopes)),
    }


def _find_person(request: Request) -> dict[str, Any]:
    # Not at the top: an API on its own runs without the session and the users' passwords.
    from ..users import find_signed_in

    return {"user": find_signed_in(request), "csrf_token": get_csrf_token(request)}


def _find_state(request: Request) -> dict[str, Any]:
    from ..tour.memory import find_seen, find_token

    return {"seen": find_seen(request), "has_token": find_token(request) is not None}
