"""The buttons of the tour: each is a form, and its answer is the page with what the step brought."""

from __future__ import annotations

from typing import Any

from pyramid.httpexceptions import HTTPNotFound, HTTPSeeOther
from pyramid.request import Request
from pyramid.response import Response
from pyramid.view import view_config

from ..bodies import read_form
from ..page_headers import set_page_headers
from ..views.home import render_home
from ..views.sign_in import is_own_form
from .memory import forget
from .person import build_address
from .steps import STEPS, Result

__all__: list[str] = []


@view_config(route_name="tour", request_method="GET")
def show_step(context: Any, request: Request) -> Response:
    """303 to the tour: a step is taken by its button only."""
    return _redirect(request.route_path("home"))


@view_config(route_name="tour", request_method="POST")
def take_step(context: Any, request: Request) -> Any:
    """Take a step, if a page of this session asked for it. Nothing may use the database before, since the step does."""
    step = request.matchdict["step"]
    form = read_form(request)
    if step not in {*STEPS, "person", "start-over"}:
        raise HTTPNotFound
    if not is_own_form(request, form):
        response = render_home(request, step, Result(note="old page"))
        response.status = 400
        return response
    if step == "person":
        return _redirect(build_address(request))
    if step == "start-over":
        forget(request)
        return _redirect(request.route_path("home"))
    return render_home(request, step, STEPS[step](request))


def _redirect(target: str) -> Response:
    response = HTTPSeeOther(target)
    set_page_headers(response)
    return response
