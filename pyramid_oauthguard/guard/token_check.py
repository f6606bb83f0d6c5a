"""How a view's token is checked: a predicate that marks, two derivers that enforce.

The predicate never refuses: one that did would let the next view answer, or give a 404. It never sets
anything: another view of the same MultiView may run after all. ``bind_view`` wraps ``secured_view`` and
raises the request's mode before any permission is asked; ``guard_view`` inside it enforces, also where
``secured_view`` is skipped because the view has no permission or was called with ``secure=False``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from pyramid.httpexceptions import HTTPForbidden
from pyramid.interfaces import IDefaultPermission
from pyramid.request import Request
from pyramid.security import NO_PERMISSION_REQUIRED

from ..access_token import AccessToken
from ..errors import OAuthGuardError, SettingError, TokenError, UnavailableError
from .authentication import RESULT
from .browsers.preflights import answer_preflight, is_preflight
from .challenge import mark_refusal, mark_response
from .once import spend
from .paths.tokens_under import find_misplacement
from .requests import GuardedRequest, extend_request
from .requirements import VIEW_OPTIONS, build_needs, build_requirements, check_requirements
from .state import get_guard, require_guard
from .verifiers import RANKS
from .view_guard import ViewGuard, build_refusal, dress_denial

__all__ = ["TokenCheckPredicate", "bind_view", "guard_view", "require"]

logger = logging.getLogger("pyramid_oauthguard")

View = Callable[[Any, Any], Any]


class TokenCheckPredicate:
    """A mark. Its hash is empty: two views that differ only in it are a conflict, and an override is one."""

    def __init__(self, value: Any, _info: Any) -> None:
        if not isinstance(value, str) or value not in RANKS:
            raise SettingError("token_check", f"must be one of {', '.join(RANKS)}, not {value!r}")
        self.value: str = value

    def text(self) -> str:
        return f"token_check = {self.value}"

    def phash(self) -> str:
        return ""

    def __call__(self, context: Any, request: Request) -> bool:
        return True


def require(request: Request, **requirements: Any) -> AccessToken:
    """The access token of a request, which must meet what ``token_require`` could ask for; called inside a view::

        require(request, scope="customers:write")

    It is for views that learn from the body what the caller wants: a tool of an MCP endpoint, a method of JSON-RPC. The
    answer to a refusal is that of the view option, and names the scopes of both.

    A refusal is raised as Pyramid's HTTPForbidden, which becomes the answer with status and challenge; an issuer that can't be
    asked as HTTPServiceUnavailable.

    :raises SettingError: there is no such requirement.
    """
    guard = require_guard(request)
    checks = build_requirements(request.registry, requirements, "require")
    try:
        result = find_misplacement(request) or guard.authenticator.authenticate(request)
        if isinstance(result, AccessToken):
            check_requirements(checks, result)
            spend(checks, result, request.environ)
            return result
        error: OAuthGuardError = result
    except (TokenError, UnavailableError) as raised:
        error = raised.with_traceback(None)
    request.add_response_callback(mark_refusal)
    raise build_refusal(guard, request, error=build_needs(checks).complete(error))


def bind_view(view: View, info: Any) -> View:
    """Raise the request's mode to the view's before anything asks who the caller is."""
    if not _is_guarded(info):
        return _dress_denials(view) if _has_permission(info) else view
    guard = ViewGuard(info)
    stricter = guard.stricter

    def bound_view(context: Any, request: Request) -> Any:
        if request.environ["REQUEST_METHOD"] == "OPTIONS" and is_preflight(request):
            # A browser sends no token here, and the view does not run. A tween of the application may complete the answer.
            return answer_preflight(request, guard.origins)
        if not isinstance(request, GuardedRequest):
            extend_request(request)
        if guard.origins:
            request.add_response_callback(guard.share)
        if guard.varies:
            request.add_response_callback(guard.name_sources)
        if stricter:
            guard.strengthen(request)
        try:
            if guard.also_local and (found := guard.find_local_error(request)) is not None:
                return guard.refuse(request, found)  # before the permission is asked, and with it the issuer
            return view(context, request)
        except HTTPForbidden as error:
            request.add_response_callback(mark_refusal)  # also if the application has its own forbidden view
            return guard.translate(request, error)

    _bind_permitted(view, guard)
    return bound_view


def _dress_denials(view: View) -> View:
    """Where the application composes the policy: a refused permission has the guard's answer, if the guard has one."""

    def dressed_view(context: Any, request: Request) -> Any:
        try:
            return view(context, request)
        except HTTPForbidden as forbidden:
            dress_denial(request, forbidden)
            raise

    return dressed_view


def guard_view(view: View, info: Any) -> View:
    """Enforce the mark and the requirements, and keep shared caches from serving one caller's answer to another."""
    if not _is_guarded(info):
        return view
    guard = ViewGuard(info)
    marked = guard.marked
    stricter = guard.stricter
    plain = not guard.requirements and not guard.also_local

    def guarded_view(context: Any, request: Request) -> Any:
        if marked:
            if stricter:
                guard.strengthen(request)  # secure=False comes here without bind_view
            if not plain or type(request.__dict__.get(RESULT)) is not AccessToken:
                error = guard.admit(request)
                if error is not None:
                    request.add_response_callback(mark_refusal)
                    return guard.refuse(request, error)
        try:
            response = view(context, request)
        except (TokenError, UnavailableError) as error:  # the view's own refusal, in the guard's words
            guard.report(error)
            request.add_response_callback(mark_refusal)
            return guard.refuse(request, error.with_traceback(None))
        except Exception:
            request.add_response_callback(mark_response)
            raise
        mark_response(request, response)
        return response

    return guarded_view if guard.alone else _confine(guarded_view, guard, info.original_view)


guard_view.options = ("token_require", "token_issuer")  # type: ignore[attr-defined]


def _confine(view: View, guard: ViewGuard, original: Any) -> View:
    """Refuse where :class:`TokensUnder` takes no tokens: there the permission is asked of another policy."""
    name = getattr(original, "__qualname__", type(original).__qualname__)

    def confined_view(context: Any, request: Request) -> Any:
        error = find_misplacement(request)
        if error is None:
            return view(context, request)
        logger.error("%s requires an access token, and its path is not under a prefix of TokensUnder: refused", name)
        request.add_response_callback(mark_refusal)
        return guard.refuse(request, error)

    return confined_view


def _bind_permitted(view: Any, guard: ViewGuard) -> None:
    """``view_execution_permitted`` asks in this view's mode and leaves the request's own as it was."""
    inner = getattr(view, "__permitted__", None)
    if inner is None and not guard.marked:
        return

    def permitted(context: Any, request: Request) -> Any:
        before = guard.strengthen(request)
        try:
            result = guard.permitted(request)
            return inner(context, request) if result and inner is not None else result
        finally:
            guard.restore(request, before)

    view.__permitted__ = permitted
    if not hasattr(view, "__call_permissive__"):
        view.__call_permissive__ = view  # what makes Pyramid register it as a secured view


def _is_guarded(info: Any) -> bool:
    if any(info.options.get(name) is not None for name in VIEW_OPTIONS):
        return True
    return _has_permission(info) and get_guard(info.registry).settings.policy


def _has_permission(info: Any) -> bool:
    permission = info.options.get("permission")
    if permission is None and not info.exception_only:
        permission = info.registry.queryUtility(IDefaultPermission)
    return permission is not None and permission != NO_PERMISSION_REQUIRED
