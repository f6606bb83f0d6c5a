"""Which requests need a CSRF token, and which sources of tokens need CSRF protection."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pyramid.interfaces import IDefaultCSRFOptions
from pyramid.registry import Registry
from pyramid.request import Request

from ...errors import SettingError
from ..credentials import header
from ..credentials.elsewhere import HEADER, find_sources
from ..settings import GuardSettings

__all__ = ["check_protection", "is_exempt"]


def is_exempt(request: Request, settings: GuardSettings | None) -> bool:
    """Whether the request brings a bearer token in Authorization, which no browser adds by itself (RFC 6750 section 5.2).

    Not where a proxy makes that header of a cookie: where the settings say so, and where a page of another origin sends a request
    with a cookie.
    """
    sources = find_sources(request.registry)
    if not header.is_present(request) or (sources is not None and not sources.has_header):
        return False
    if settings is not None and not settings.csrf_bearer_exempt:
        return False
    return not ("HTTP_COOKIE" in request.environ and _is_foreign(request))


def check_protection(registry: Registry, issuers: Iterable[GuardSettings]) -> None:
    """A browser sends cookies by itself, and what a proxy makes of them. :raises SettingError: there is no protection."""
    options: Any = registry.queryUtility(IDefaultCSRFOptions)
    if options is not None and options.require_csrf:
        return
    for settings in issuers:
        other = [word for word in settings.token_source if word != HEADER]
        if other:
            raise SettingError(
                settings.name_key("token_source"),
                f"has {' '.join(other)}, which browsers can send by themselves, and CSRF protection is not on by default",
                "config.set_default_csrf_options(require_csrf=True, callback=csrf_callback)",
            )


def _is_foreign(request: Request) -> bool:
    """Whether a page of another origin sends it, as far as the browser says (Fetch standard, Fetch Metadata)."""
    environ = request.environ
    if environ.get("HTTP_SEC_FETCH_SITE", "").lower() == "cross-site":
        return True
    origin = environ.get("HTTP_ORIGIN")
    return origin is not None and origin.lower() != request.host_url.lower()
