"""What one view wants of the token, and what becomes of a token that is not enough for it."""

from __future__ import annotations

from typing import Any

from pyramid.config import not_
from pyramid.httpexceptions import HTTPForbidden, HTTPServiceUnavailable
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import Allowed

from ..access_token import AccessToken
from ..errors import OAuthGuardError, SettingError, TokenError, UnavailableError
from .browsers.preflights import share_answer
from .challenge import find_refusal
from .credentials.elsewhere import find_sources
from .once import find_once
from .paths.tokens_under import find_misplacement
from .policy import TokenDenied, explain_denial
from .requirements import VIEW_OPTIONS, Requirement, build_needs, build_requirements, check_requirements, require_issuer
from .settings import GuardSettings
from .state import Guard, get_guard, require_guard
from .verifiers import RANKS, join

__all__ = ["ViewGuard", "build_refusal", "dress_denial"]


class ViewGuard:
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
        #: Like :meth:`judge`, for the view that answers: a token that is accepted once is used up.
        self.admit = self.judge if self._once is None else self._spend
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

    def _spend(self, request: Request) -> OAuthGuardError | None:
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
        raise build_refusal(self._guard, request, error=error)

    def translate(self, request: Request, forbidden: HTTPForbidden) -> Response:
        """What ``secured_view`` raised: an outage is not the caller's fault, whatever the forbidden view is."""
        error, challenger = find_refusal(forbidden), self._guard.challenger
        if not isinstance(error, OAuthGuardError):
            dress_denial(request, forbidden)
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


def build_refusal(guard: Guard, request: Request, *, error: OAuthGuardError) -> Exception:
    """The exception whose answer is that of ``error``."""
    if isinstance(error, UnavailableError):
        unavailable: Exception = guard.challenger.dress(HTTPServiceUnavailable(), request, error=error)
        return unavailable
    refusal: Exception = guard.challenger.dress(HTTPForbidden(result=TokenDenied(error)), request, error=error)
    return refusal


def dress_denial(request: Request, forbidden: HTTPForbidden) -> None:
    """Make the exception the guard's answer, for a forbidden view that answers it as it is, such as Cornice's. Its ``result``, by
    which a forbidden view of the application may decide, stays as it was.
    """
    error = find_refusal(explain_denial(forbidden, request))
    if isinstance(error, OAuthGuardError):
        require_guard(request).challenger.dress(forbidden, request, error=error)


def _read_mode(info: Any) -> str | None:
    mode: str | None = info.options.get("token_check")
    if isinstance(mode, not_):
        raise SettingError("token_check", "can't be negated", "name the mode that the view requires")
    return mode


def _build_issuer_requirement(info: Any) -> tuple[Requirement, ...]:
    value = info.options.get("token_issuer")
    if value is None:
        return ()
    try:
        return (require_issuer(value, known=get_guard(info.registry).settings.issuers),)
    except ValueError as error:
        raise SettingError("token_issuer", str(error), "name one of oauthguard.issuers") from error
