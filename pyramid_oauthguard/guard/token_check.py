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

from pyramid.config import not_
from pyramid.httpexceptions import HTTPForbidden, HTTPServiceUnavailable
from pyramid.interfaces import IDefaultPermission
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED, Allowed

from ..access_token import AccessToken
from ..errors import OAuthGuardError, SettingError, TokenError, UnavailableError
from .authentication import RESULT
from .browsers.preflights import answer_preflight, is_preflight, share_answer
from .challenge import find_refusal, mark_refusal, mark_response
from .credentials.elsewhere import find_sources
from .once import find_once, spend
from .paths.tokens_under import find_misplacement
from .policy import TokenDenied, explain_denial
from .requests import GuardedRequest, extend_request
from .requirements import VIEW_OPTIONS, Requirement, build_needs, build_requirements, check_requirements, require_issuer
from .settings import GuardSettings
from .state import Guard, get_guard, require_guard
from .verifiers import RANKS, join

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


class _ViewGuard:
    """What one view wants of the token, worked out when the view is registered."""

    def __init__(self, info: Any) -> None:
        self._guard: Guard = get_guard(info.registry)
        self.alone: bool = self._guard.settings.policy  # no other policy decides
        self.mode: str | None = _read_mode(info)
        default = self._guard.settings.token_check
        self.stricter = self.mode is not None and join(default, self.mode) != default
        required = build_requirements(info.registry, info.options.get("token_require"))
        self.requirements = (*_build_issuer_requirement(info), *required)
        self._once = find_once(self.requirements)
        self._needs = build_needs(self.requirements)
        self.also_local = self.mode == "local" and _judges_more(self._guard.settings)
        self.marked = any(info.options.get(name) is not None for name in VIEW_OPTIONS)
        self.exception_only: bool = info.exception_only
        self.origins = self._guard.settings.cors_origins
        sources = find_sources(info.registry)
        self.varies = () if sources is None else sources.names

    def strengthen(self, request: Request) -> str:
        authenticator = self._guard.authenticator
        return authenticator.strengthen(request, self.mode or authenticator.default_mode)

    def judge(self, request: Request) -> OAuthGuardError | None:
        """Why the token is missing, bad, or not enough; None when it will do."""
        if self.also_local and (error := self.find_local_error(request)) is not None:
            return error
        result = self._guard.authenticator.authenticate(request)
        if not isinstance(result, AccessToken):
            return result
        try:
            check_requirements(self.requirements, result)
        except (TokenError, UnavailableError) as error:
            self.report(error)
            return error.with_traceback(None)
        return None

    def admit(self, request: Request) -> OAuthGuardError | None:
        """Like :meth:`judge`, for the view that answers: a token that is accepted once is used up."""
        refusal = self.judge(request)
        if refusal is not None or self._once is None:
            return refusal
        token: Any = self._guard.authenticator.authenticate(request)
        try:
            self._once.spend(token, request.environ)
        except (TokenError, UnavailableError) as error:
            self.report(error)
            return error.with_traceback(None)
        return None

    def find_local_error(self, request: Request) -> OAuthGuardError | None:
        """Why the local check refuses the token, where the view wants it and the stricter default accepts more tokens."""
        return self._guard.authenticator.find_error(request, "local")

    def report(self, error: OAuthGuardError) -> None:
        """Log an outage that the application itself found; the guard logs its own."""
        if isinstance(error, UnavailableError):
            self._guard.authenticator.report_outage(error, "a view or its requirements")

    def refuse(self, request: Request, error: OAuthGuardError) -> Response:
        """Raise the refusal. From an exception view nothing would catch it, so there it is the answer."""
        error = self._needs.complete(error)
        if self.exception_only:
            return self._guard.challenger.render(request, error)
        raise _build_refusal(self._guard, request, error=error)

    def translate(self, request: Request, forbidden: HTTPForbidden) -> Response:
        """What ``secured_view`` raised: an outage is not the caller's fault, whatever the forbidden view is."""
        error, challenger = find_refusal(forbidden), self._guard.challenger
        if not isinstance(error, OAuthGuardError):
            _dress_denial(request, forbidden)
            raise forbidden
        error = self._needs.complete(error)
        if self.exception_only:
            return challenger.render(request, error)
        if isinstance(error, UnavailableError):
            raise challenger.dress(HTTPServiceUnavailable(), request, error=error) from forbidden
        raise challenger.dress(forbidden, request, error=error)

    def permitted(self, request: Request) -> Any:
        error = find_misplacement(request) or self.judge(request) if self.marked else None
        return TokenDenied(error) if error else Allowed("the access token will do")

    def share(self, request: Request, response: Any) -> None:
        """Let pages of the listed origins read the answer."""
        share_answer(request, response, self.origins)

    def name_sources(self, _request: Request, response: Any) -> None:
        """Say to caches which headers of the request the answer depends on."""
        named = {name.strip().lower() for name in response.headers.get("Vary", "").split(",")}
        missing = [name for name in self.varies if name.lower() not in named]
        if missing and "*" not in named:
            response.headers["Vary"] = ", ".join(filter(None, (response.headers.get("Vary", ""), *missing)))

    def restore(self, request: Request, mode: str) -> None:
        self._guard.authenticator.restore(request, mode)


def _judges_more(settings: GuardSettings) -> bool:
    """Whether the default mode accepts tokens that a local check refuses, because only their issuer can judge them."""
    is_stricter = RANKS[settings.token_check] > RANKS["local"]
    return is_stricter and any(each.introspection_judges == "all" for each in settings.list_issuers())


def _build_refusal(guard: Guard, request: Request, *, error: OAuthGuardError) -> Exception:
    """The exception whose answer is that of ``error``."""
    if isinstance(error, UnavailableError):
        unavailable: Exception = guard.challenger.dress(HTTPServiceUnavailable(), request, error=error)
        return unavailable
    refusal: Exception = guard.challenger.dress(HTTPForbidden(result=TokenDenied(error)), request, error=error)
    return refusal


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
    raise _build_refusal(guard, request, error=build_needs(checks).complete(error))


def bind_view(view: View, info: Any) -> View:
    """Raise the request's mode to the view's before anything asks who the caller is."""
    if not _is_guarded(info):
        return _dress_denials(view) if _has_permission(info) else view
    guard = _ViewGuard(info)
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
            _dress_denial(request, forbidden)
            raise

    return dressed_view


def _dress_denial(request: Request, forbidden: HTTPForbidden) -> None:
    """Make the exception the guard's answer, for a forbidden view that answers it as it is, such as Cornice's. Its ``result``, by
    which a forbidden view of the application may decide, stays as it was.
    """
    error = find_refusal(explain_denial(forbidden, request))
    if isinstance(error, OAuthGuardError):
        require_guard(request).challenger.dress(forbidden, request, error=error)


def guard_view(view: View, info: Any) -> View:
    """Enforce the mark and the requirements, and keep shared caches from serving one caller's answer to another."""
    if not _is_guarded(info):
        return view
    guard = _ViewGuard(info)
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


def _confine(view: View, guard: _ViewGuard, original: Any) -> View:
    """Refuse where :class:`TokensUnder` takes no tokens: there the permission is asked of another policy."""
    name = getattr(original, "__qualname__", type(original).__qualname__)

    def confined_view(context: Any, request: Request) -> Any:
        error = find_misplacement(request)
        if error is None:
            return view(context, request)
        logger.error("%s wants an access token, and its path is not under a prefix of TokensUnder: refused", name)
        request.add_response_callback(mark_refusal)
        return guard.refuse(request, error)

    return confined_view


def _bind_permitted(view: Any, guard: _ViewGuard) -> None:
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


def _read_mode(info: Any) -> str | None:
    mode: str | None = info.options.get("token_check")
    if isinstance(mode, not_):
        raise SettingError("token_check", "can't be negated", "name the mode that the view wants")
    return mode


def _build_issuer_requirement(info: Any) -> tuple[Requirement, ...]:
    value = info.options.get("token_issuer")
    if value is None:
        return ()
    try:
        return (require_issuer(value, known=get_guard(info.registry).settings.issuers),)
    except ValueError as error:
        raise SettingError("token_issuer", str(error), "name one of oauthguard.issuers") from error
