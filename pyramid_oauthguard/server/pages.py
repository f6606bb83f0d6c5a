"""Pages for people: HTML without script, kept by no cache, shown in no frame, with nothing from elsewhere.

Templates are ``pyramid_oauthguard.server:templates/``; an application replaces one with ``config.override_asset`` and
translates them with a catalogue of the domain ``pyramid_oauthguard``. They have a Jinja2 environment of their own, so
that no setting of the application's can turn off its escaping.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any, Final

from authlib.oauth2.base import OAuth2Error
from pyramid.response import Response

from ..errors import UnavailableError
from .settings import ServerSettings

__all__ = ["answer_errors_on_page", "include", "redirect", "render_page"]

log = logging.getLogger("pyramid_oauthguard.server")
_ENVIRONMENT: Final = ".oauthguard"
_TEMPLATES: Final = "pyramid_oauthguard.server:templates/"
_STATIC: Final = "pyramid_oauthguard.server:static/"
# RFC 9700 sections 4.2.4, 4.12 and 4.16. No form-action: browsers hold the redirect after a form to it as well, and that leads
# to the client.
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Pragma": "no-cache",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def include(config: Any, settings: ServerSettings) -> None:
    """Add the templates' environment and the style sheet."""
    import pyramid_jinja2

    import pyramid_oauthguard

    # Not config.include: that would make ours the package in which the application's own templates are looked for.
    pyramid_jinja2.add_jinja2_renderer(config, _ENVIRONMENT, "oauthguard pages.", package=pyramid_oauthguard)
    config.add_static_view(f"{settings.path}/static".lstrip("/"), _STATIC, cache_max_age=3600)


def render_page(request: Any, template: str, *, status: int = 200, **values: Any) -> Any:
    """An HTML response made of one of our templates, by its name without the suffix."""
    from pyramid_jinja2 import IJinja2Environment

    environment = request.registry.getUtility(IJinja2Environment, name=_ENVIRONMENT)
    style = request.static_path(f"{_STATIC}pages.css")
    text = environment.get_template(f"{_TEMPLATES}{template}.jinja2").render(request=request, style=style, **values)
    response = Response(text, status=status, content_type="text/html", charset="utf-8")
    response.headers.update(_HEADERS)
    return response


def redirect(location: str) -> Any:
    """303 (RFC 9700 section 4.12: a 307 would send the form's fields along), remembered by no cache.

    :param location: an absolute URI, or a path on this host; already escaped.
    """
    response = Response(status=303, headerlist=[("Location", location), ("Content-Length", "0")])
    response.headers.update({name: _HEADERS[name] for name in ("Cache-Control", "Pragma", "Referrer-Policy")})
    return response


def answer_errors_on_page(view: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Let a view raise: people read what is wrong on a page, with the code that a developer needs."""

    @functools.wraps(view)
    def wrapped(request: Any) -> Any:
        try:
            return view(request)
        except OAuth2Error as error:
            description = error.get_error_description()
            return render_page(request, "error", status=400, code=error.error, description=description)
        except UnavailableError as error:
            log.error("%s: unavailable: %s", request.path_info, error)
            response = render_page(request, "error", status=503, code="temporarily_unavailable", description="")
            response.headers["Retry-After"] = str(error.retry_after)
            return response

    return wrapped
