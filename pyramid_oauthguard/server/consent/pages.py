"""Pages for users: HTML without script (but for :mod:`~.answers`), not cached, not shown in frames, and with nothing from other sites.

Templates are ``pyramid_oauthguard.server:templates/``; an application replaces one with ``config.override_asset``. They
have their own Jinja2 environment, so that no setting of the application can turn off escaping.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, Final

from pyramid.config import Configurator
from pyramid.events import ApplicationCreated
from pyramid.interfaces import PHASE3_CONFIG
from pyramid.registry import Registry
from pyramid.request import Request
from pyramid.response import Response

from ... import processes
from ...errors import UnavailableError
from ..http.answers import refuse_in_json, report_outage
from ..http.browsers import prefers_page
from ..http.errors import OAuth2Error
from ..http.mount_point import build_path
from ..service import find_service
from ..settings import ServerSettings
from .languages import add_catalogues, check_languages, is_right_to_left, settle_language
from .look import ILook, describe_look, load_look
from .naming import show_name

__all__ = [
    "APPLICATIONS_ROUTE",
    "CONTENT_POLICY",
    "answer_errors_on_page",
    "include",
    "redirect",
    "refuse_on_page",
    "render_page",
]

#: The name of the route of the page with what a user allowed.
APPLICATIONS_ROUTE: Final = "oauthguard.applications"
_ENVIRONMENT: Final = ".oauthguard"
_TEMPLATES: Final = "pyramid_oauthguard.server:templates/"
#: The errors after which the same request may work.
_REPEATABLE: Final = frozenset({"expired_page", "temporarily_unavailable"})
# RFC 9700 sections 4.2.4, 4.12 and 4.16. No form-action: browsers hold the redirect after a form to it as well, and that leads
# to the client.
CONTENT_POLICY: Final = "default-src 'none'; style-src 'self'; img-src 'self' data:; font-src 'self'; base-uri 'none'; frame-ancestors 'none'"
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Pragma": "no-cache",
    "Content-Security-Policy": CONTENT_POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def include(config: Configurator, settings: ServerSettings) -> None:
    """Add the environment of the templates, the catalogues, and what the application adds to the look.

    :raises SettingError: a file of the look can't be used. A language without a catalogue is found at the end of the
        configuration.
    """
    import pyramid_jinja2

    import pyramid_oauthguard

    registry = config.registry
    registry.registerUtility(load_look(settings), ILook)
    # Not config.include: that would make ours the package in which the application's own templates are looked for.
    pyramid_jinja2.add_jinja2_renderer(config, _ENVIRONMENT, "oauthguard pages.", package=pyramid_oauthguard)
    config.action("oauthguard pages", _finish, args=(registry,), order=PHASE3_CONFIG)
    check = functools.partial(check_languages, registry, settings.pages.languages)
    if config.autocommit:  # translation directories may be added until the application is made
        config.add_subscriber(lambda _event: check(), ApplicationCreated)
    else:
        config.action("oauthguard languages", check, order=PHASE3_CONFIG + 1)


def _finish(registry: Registry) -> None:
    from pyramid_jinja2 import IJinja2Environment

    add_catalogues(registry)
    environment = registry.getUtility(IJinja2Environment, name=_ENVIRONMENT)
    environment.filters["plain"] = show_name
    processes.register(environment, _renew_cache)


def _renew_cache(environment: Any) -> None:
    """In a child of a fork: a thread of the parent may hold the lock of the cache of templates."""
    from jinja2.environment import copy_cache

    environment.cache = copy_cache(environment.cache)


def render_page(request: Request, template: str, *, status: int = 200, **values: Any) -> Any:
    """An HTML response made of one of our templates, by its name without the suffix."""
    from pyramid_jinja2 import IJinja2Environment

    language = settle_language(request)
    environment = request.registry.getUtility(IJinja2Environment, name=_ENVIRONMENT)
    text = environment.get_template(f"{_TEMPLATES}{template}.jinja2").render(
        {
            **describe_look(request),
            "request": request,
            "language": language.replace("_", "-"),
            "direction": "rtl" if is_right_to_left(language) else "ltr",
            **values,
        }
    )
    response = Response(text, status=status, content_type="text/html", charset="utf-8")
    response.headers.update(_HEADERS)
    response.headers["Content-Language"] = language.replace("_", "-")
    return response


def redirect(location: str) -> Any:
    """303 (RFC 9700 section 4.12: a 307 would send the form's fields along), not kept by any cache.

    :param location: an absolute URI, or a path on this host; already escaped.
    """
    response = Response(status=303, headerlist=[("Location", location), ("Content-Length", "0")])
    response.headers.update({name: _HEADERS[name] for name in ("Cache-Control", "Pragma", "Referrer-Policy")})
    return response


def answer_errors_on_page(
    view: Callable[[Request], Any], *, again: Callable[[Request], str | None] | None = None
) -> Callable[[Request], Any]:
    """Let a view raise errors: a page tells the user what is wrong and where to go on, with the error code for a
    developer.

    :param again: the address at which the user may try again what this request was about, or None; by default that of the page.
    """
    find_again = again or _find_page

    @functools.wraps(view)
    def wrapped(request: Request) -> Any:
        try:
            return view(request)
        except OAuth2Error as error:
            # No page asks for credentials, so none answers 401.
            status = 400 if error.status_code == 401 else error.status_code
            return _render_error(request, status, error.error, find_again, description=error.get_error_description())
        except UnavailableError as error:
            report_outage(find_service(request).outages, request, error)
            response = _render_error(
                request, 503, "temporarily_unavailable", find_again, retry_after=round(error.retry_after)
            )
            response.headers["Retry-After"] = str(error.retry_after)
            return response

    return wrapped


def refuse_on_page(request: Request, status: int, text: str, headers: Iterable[tuple[str, str]] = ()) -> Any:
    """The refusal of a request that no view may see: a page for browsers, JSON for programs."""
    if prefers_page(request) and request.registry.queryUtility(ILook) is not None:
        response = _render_error(request, status, "invalid_request", description=text)
        response.headers.update(headers)
    else:
        response = refuse_in_json(request, status, text, headers)
    response.vary = "Accept"
    return response


def _render_error(
    request: Request, status: int, code: str, find_again: Callable[[Request], str | None] | None = None, **values: Any
) -> Any:
    again = find_again(request) if find_again is not None and code in _REPEATABLE else None
    allowed = build_path(request, APPLICATIONS_ROUTE)
    what = {"code": code, "cause": status, "again": again, "applications": allowed}
    return render_page(request, "error", status=status, **what, **values)


def _find_page(request: Request) -> str:
    return build_path(request, request.matched_route.name)
