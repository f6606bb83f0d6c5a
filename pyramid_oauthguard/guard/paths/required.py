"""``require_under``: path prefixes under which no view is open."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from pyramid.httpexceptions import HTTPForbidden
from pyramid.interfaces import IDefaultPermission, IRoutesMapper
from pyramid.request import Request
from pyramid.security import NO_PERMISSION_REQUIRED

from ...errors import SettingError
from ...health import ROUTE
from ..requirements import VIEW_OPTIONS
from ..resources.prefixes import Prefixes, find_unambiguous, parse_prefix, split_pattern
from ..state import get_guard

__all__ = ["refuse_open_view"]

logger = logging.getLogger("pyramid_oauthguard")


class _Required:
    """The prefixes, and the paths below them that may be open."""

    def __init__(self, prefixes: Iterable[str], open_paths: Iterable[str]) -> None:
        self._prefixes = Prefixes("oauthguard.require_under", prefixes)
        self._open = {parse_prefix("oauthguard.require_under.open", each) for each in open_paths}

    def forbids_pattern(self, pattern: str) -> bool:
        """Whether no view of a route with this pattern may be open. Where only a request can tell, it is asked."""
        segments, rest = split_pattern(pattern)
        if rest is None and segments in self._open:
            return False
        return self._prefixes.covers_pattern(pattern) is True

    def forbids(self, request: Request) -> bool:
        """Whether no view may be open at the path of a request, also where that can be read in two ways."""
        environ = request.environ
        if find_unambiguous(environ, lambda segments: segments in self._open):
            return False
        return self._prefixes.covers(environ) is not False


def refuse_open_view(view: Any, info: Any) -> Any:
    """Wrap a view. Start-up stops for an open view under a prefix; where only a request tells the path, it is refused then.

    :raises SettingError: the view has no check, no requirement and no permission, or what is set is not a path prefix.
    """
    settings = get_guard(info.registry).settings
    if not settings.require_under or info.exception_only:
        return view
    required = _Required(settings.require_under, settings.require_under_open)  # also checks the prefixes
    if _is_guarded(info) or info.options.get("route_name") == ROUTE:  # the health view says a word of a fixed list
        return view
    name = getattr(info.original_view, "__qualname__", type(info.original_view).__qualname__)
    pattern = _find_pattern(info)
    if pattern is not None and required.forbids_pattern(pattern):
        raise SettingError(
            "oauthguard.require_under",
            f"the view {name} of {pattern} is open: it has no token_check, token_require or permission",
            "guard it, or list its path in oauthguard.require_under.open",
        )

    def checked_view(context: Any, request: Request) -> Any:
        if required.forbids(request) and getattr(request, "exception", None) is None:
            logger.error("%s is open, and its path is under oauthguard.require_under: refused", name)
            raise HTTPForbidden("This path has no open view.")
        return view(context, request)

    return checked_view


def _is_guarded(info: Any) -> bool:
    if any(info.options.get(name) is not None for name in VIEW_OPTIONS):
        return True
    permission = info.options.get("permission")
    if permission is None:
        permission = info.registry.queryUtility(IDefaultPermission)
    return permission is not None and permission != NO_PERMISSION_REQUIRED


def _find_pattern(info: Any) -> str | None:
    name, mapper = info.options.get("route_name"), info.registry.queryUtility(IRoutesMapper)
    route = mapper.get_route(name) if name and mapper is not None else None
    return None if route is None else route.pattern
