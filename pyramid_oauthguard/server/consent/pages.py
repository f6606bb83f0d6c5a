"""Pages for users: HTML without script, not cached, not shown in frames, and with nothing from other sites.

Templates are ``pyramid_oauthguard.server:templates/``; an application replaces one with ``config.override_asset`` and
translates them with a catalogue of the domain ``pyramid_oauthguard``. They have their own Jinja2 environment, so that
no setting of the application can turn off escaping.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from pyramid.config import Configurator
from pyramid.interfaces import PHASE3_CONFIG, ITranslationDirectories
from pyramid.registry import Registry
from pyramid.request import Request
from pyramid.response import Response

from ... import processes
from ...errors import UnavailableError
from ..http.answers import report_outage
from ..http.errors import OAuth2Error
from ..http.mount_point import build_path
from ..service import find_service

__all__ = ["LOGO_ROUTE", "STYLE_ROUTE", "answer_errors_on_page", "include", "redirect", "render_page", "translate"]

log = logging.getLogger("pyramid_oauthguard.server")
_DOMAIN: Final = "pyramid_oauthguard"
_ENVIRONMENT: Final = ".oauthguard"
_TEMPLATES: Final = "pyramid_oauthguard.server:templates/"
#: The name of the route of the style sheet.
STYLE_ROUTE: Final = "oauthguard.style"
#: The name of the route of the logos of clients.
LOGO_ROUTE: Final = "oauthguard.logo"
# RFC 9700 sections 4.2.4, 4.12 and 4.16. No form-action: browsers hold the redirect after a form to it as well, and that leads
# to the client.
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Pragma": "no-cache",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def include(config: Configurator) -> None:
    """Add the environment of the templates."""
    import pyramid_jinja2

    import pyramid_oauthguard

    # Not config.include: that would make ours the package in which the application's own templates are looked for.
    pyramid_jinja2.add_jinja2_renderer(config, _ENVIRONMENT, "oauthguard pages.", package=pyramid_oauthguard)
    config.action("oauthguard pages", _keep_in_process, args=(config.registry,), order=PHASE3_CONFIG)


def _keep_in_process(registry: Registry) -> None:
    from pyramid_jinja2 import IJinja2Environment

    processes.register(registry.getUtility(IJinja2Environment, name=_ENVIRONMENT), _renew_cache)


def _renew_cache(environment: Any) -> None:
    """In a child of a fork: a thread of the parent may hold the lock of the cache of templates."""
    from jinja2.environment import copy_cache

    environment.cache = copy_cache(environment.cache)


def render_page(request: Request, template: str, *, status: int = 200, **values: Any) -> Any:
    """An HTML response made of one of our templates, by its name without the suffix."""
    from pyramid_jinja2 import IJinja2Environment

    _settle_locale(request)
    environment = request.registry.getUtility(IJinja2Environment, name=_ENVIRONMENT)
    style = build_path(request, STYLE_ROUTE)
    text = environment.get_template(f"{_TEMPLATES}{template}.jinja2").render(request=request, style=style, **values)
    response = Response(text, status=status, content_type="text/html", charset="utf-8")
    response.headers.update(_HEADERS)
    return response


def translate(request: Request, text: str) -> str:
    """A text of the settings, such as what a scope means, in the language of the page; unchanged if no catalogue
    contains it."""
    _settle_locale(request)
    translated: str = request.localizer.translate(text, domain=_DOMAIN)
    return translated


def _settle_locale(request: Request) -> None:
    """Find the language now: a negotiator that reads the parameters fails if they are malformed.

    Only a language that has a catalogue. Pyramid opens files by the name and never releases what it keeps for each
    name: callers could fill the memory with invented names.
    """
    default = request.registry.settings.get("pyramid.default_locale_name", "en")
    try:
        wanted = str(request.locale_name)
    except Exception:  # noqa: BLE001  # WebOb raises even warnings at odd charsets, and a page is better than a traceback
        wanted = default
    languages = _load_languages(request.registry)
    request.locale_name = next((name for name in (wanted, wanted.partition("_")[0]) if name in languages), default)


def _load_languages(registry: Registry) -> frozenset[str]:
    """The languages that have a catalogue of any domain. Looked up once, because Pyramid reads a catalogue only once,
    too."""
    found: frozenset[str] | None = registry.__dict__.get("oauthguard_languages")
    if found is None:
        folders = registry.queryUtility(ITranslationDirectories, default=())
        catalogues = (path for folder in folders for path in Path(folder).glob("*/LC_MESSAGES"))
        found = registry.oauthguard_languages = frozenset(path.parent.name for path in catalogues)
    return found


def redirect(location: str) -> Any:
    """303 (RFC 9700 section 4.12: a 307 would send the form's fields along), not kept by any cache.

    :param location: an absolute URI, or a path on this host; already escaped.
    """
    response = Response(status=303, headerlist=[("Location", location), ("Content-Length", "0")])
    response.headers.update({name: _HEADERS[name] for name in ("Cache-Control", "Pragma", "Referrer-Policy")})
    return response


def answer_errors_on_page(view: Callable[[Request], Any]) -> Callable[[Request], Any]:
    """Let a view raise errors: a page tells the user what is wrong, with the error code for a developer."""

    @functools.wraps(view)
    def wrapped(request: Request) -> Any:
        try:
            return view(request)
        except OAuth2Error as error:
            description = error.get_error_description()
            return render_page(request, "error", status=400, code=error.error, description=description)
        except UnavailableError as error:
            report_outage(find_service(request).outages, request, error)
            response = render_page(request, "error", status=503, code="temporarily_unavailable", description="")
            response.headers["Retry-After"] = str(error.retry_after)
            return response

    return wrapped
