"""Swagger UI at /docs, and the page where its users come back after they signed in.

Swagger UI reads no settings from the address and keeps no token when the page is left.
"""

from __future__ import annotations

from typing import Any

from pyramid.request import Request
from pyramid.view import view_config

from .. import demo
from ..documents import CLIENT_ID, build_redirect_uri
from ..languages import choose_language
from ..page_headers import SCRIPTED, SWAGGER, set_page_headers
from ..parts import Parts
from ..tour.person import find_answer, redeem
from .home import render_home

__all__: list[str] = []


@view_config(route_name="docs", request_method="GET", renderer="example_app:templates/docs.jinja2")
def show_docs(context: Any, request: Request) -> dict[str, Any]:
    """The page; its script reads the document."""
    set_page_headers(request.response, SWAGGER)
    parts: Parts = request.registry["example_app.parts"]
    return {
        "language": choose_language(request),
        "parts": parts,
        "client_id": CLIENT_ID,
        "redirect_uri": build_redirect_uri(parts.issuer),
        "name": demo.USER,
        "password": demo.PASSWORD,
        "client": demo.MANAGER,
        "secret": demo.MANAGER_SECRET,
    }


@view_config(route_name="signed_in", request_method="GET", renderer="example_app:templates/signed_in.jinja2")
def show_signed_in(context: Any, request: Request) -> Any:
    """What came of a sign-in: the tour's own, or Swagger UI's, which waits for it in another window."""
    answer = find_answer(request)
    if answer is not None:
        return render_home(request, "person", redeem(request, answer))
    set_page_headers(request.response, SCRIPTED)
    return {"language": choose_language(request)}
