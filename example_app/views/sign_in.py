"""Sign in and sign out."""

from __future__ import annotations

import hmac
import re
from typing import Any, Final

from pyramid.csrf import get_csrf_token
from pyramid.httpexceptions import HTTPSeeOther
from pyramid.request import Request
from pyramid.response import Response
from pyramid.view import view_config

from pyramid_oauthguard.server.limits import TooManyRequestsError
from pyramid_oauthguard.server.service import find_service

from ..bodies import read_form
from ..languages import choose_language
from ..page_headers import set_page_headers
from ..sign_ins import begin, end
from ..users import authenticate_user

__all__ = ["as_local_path", "is_own_form"]

# A path on this host, of printable ASCII: browsers read "//host" and "/\host" as another host, and drop tabs and newlines.
_NEXT: Final = re.compile(r"/(?![/\\])[!-\[\]-~]*", re.ASCII)


@view_config(route_name="sign_in", request_method="GET", renderer="example_app:templates/sign_in.jinja2")
def show_sign_in(request: Request) -> dict[str, Any]:
    """The form."""
    set_page_headers(request.response)
    return {"next": _find_next(request), "name": "", "problem": None, "language": choose_language(request)}


@view_config(route_name="sign_in", request_method="POST", renderer="example_app:templates/sign_in.jinja2")
def answer_sign_in(request: Request) -> dict[str, Any] | Response:
    """303 to the page that the user asked for, or the form again with an error."""
    form = read_form(request)
    if not is_own_form(request, form):
        return _show_again(request, form, 400, problem="old")
    try:
        find_service(request).limits.hit(request, "sign_in", form.get("name", ""))
    except TooManyRequestsError as error:
        request.response.headers["Retry-After"] = str(error.retry_after)
        return _show_again(request, form, 429, problem="many", wait=error.retry_after)
    user = authenticate_user(request.db, form.get("name", ""), form.get("password", ""))
    if user is None:
        return _show_again(request, form, 422, problem="wrong")
    begin(request, user)
    return _redirect(as_local_path(form.get("next"), _find_home(request)))


@view_config(route_name="sign_out", request_method="POST")
def answer_sign_out(request: Request) -> Response:
    """303 home, signed out; a request that another site made the browser send changes nothing."""
    form = read_form(request)
    if is_own_form(request, form):
        end(request)
    return _redirect(_find_home(request))


def as_local_path(target: str | None, home: str = "/") -> str:
    """``target`` if it is a path on this host (with its query), otherwise ``home``."""
    return target if target and _NEXT.fullmatch(target) else home


def _redirect(target: str) -> Response:
    response = HTTPSeeOther(target)
    set_page_headers(response)
    return response


def _find_home(request: Request) -> str:
    """The home page, below the mount point of the application."""
    path: str = request.route_path("home")
    return path


def _find_next(request: Request) -> str:
    home = _find_home(request)
    try:
        return as_local_path(request.GET.get("next"), home)
    except UnicodeDecodeError:
        return home


def is_own_form(request: Request, form: dict[str, str]) -> bool:
    """Whether a page of this session sent the form, not one of another site."""
    # The token alone: pages without a referrer send "Origin: null", which Pyramid's own check refuses under https.
    return hmac.compare_digest(get_csrf_token(request).encode(), form.get("csrf_token", "").encode())


def _show_again(request: Request, form: dict[str, str], status: int, **values: Any) -> dict[str, Any]:
    """The form with what is wrong: ``problem`` is a word that the template knows."""
    request.response.status = status
    set_page_headers(request.response)
    values["language"] = choose_language(request)
    return {"next": as_local_path(form.get("next"), _find_home(request)), "name": form.get("name", ""), **values}
