"""Who calls: the token of a request, verified at most once per mode."""

from __future__ import annotations

import logging
from typing import Any, Final

from pyramid.registry import Registry

from ..access_token import AccessToken
from ..errors import MissingToken, OAuthGuardError, TokenError, UnavailableError
from ..interfaces import ITokenVerifier
from .bearer import extract
from .events import AccessTokenAccepted, AccessTokenRejected
from .verifiers import RANKS

__all__ = ["Authenticator", "Result"]

logger = logging.getLogger("pyramid_oauthguard")

#: A verified token, or why there is none.
Result = AccessToken | OAuthGuardError

_STATE: Final = "_oauthguard"
_MISSING: Final = MissingToken()


class _State:
    """What one request has been found out to be. Never shared between requests."""

    __slots__ = ("mode", "results")

    def __init__(self, mode: str) -> None:
        self.mode = mode
        self.results: dict[str, Result] = {}


class Authenticator:
    """Verifies the tokens of one application's requests.

    :param default_mode: the mode of a request before a view that names a stricter one is bound.
    """

    def __init__(self, registry: Registry, default_mode: str) -> None:
        self._registry = registry
        self._verifiers: dict[str, Any] = {}
        self.default_mode = default_mode

    def authenticate(self, request: Any) -> Result:
        """The request's token as its present mode sees it, or the error. Never raises."""
        state = request.__dict__.get(_STATE) or self._begin(request)
        mode = state.mode
        result = state.results.get(mode)
        if result is None:
            result = state.results[mode] = self._verify(request, mode)
        return result

    def find_token(self, request: Any) -> AccessToken | None:
        result = self.authenticate(request)
        return result if isinstance(result, AccessToken) else None

    def strengthen(self, request: Any, mode: str) -> str:
        """Raise the request's mode to ``mode`` if that is stricter. Returns the mode it had."""
        state = request.__dict__.get(_STATE) or self._begin(request)
        before: str = state.mode
        if RANKS[mode] > RANKS[before]:
            state.mode = mode
        return before

    def restore(self, request: Any, mode: str) -> None:
        """Undo :meth:`strengthen` after a mere question about another view."""
        request.__dict__[_STATE].mode = mode

    def _begin(self, request: Any) -> _State:
        state = request.__dict__[_STATE] = _State(self.default_mode)
        return state

    def _verify(self, request: Any, mode: str) -> Result:
        try:
            raw = extract(request)
            if raw is None:
                return _MISSING
            token: AccessToken = self._find_verifier(mode).verify(raw)
        except (TokenError, UnavailableError) as error:
            self._report(request, error, mode)
            return error.with_traceback(None)
        except Exception as error:  # noqa: BLE001  # an application's verifier may raise anything; its text may hold the token
            logger.error("the %s verifier failed with %s", mode, type(error).__qualname__)
            failure = UnavailableError("verifier_failed")
            self._report(request, failure, mode)
            return failure
        if self._registry.has_listeners:
            self._registry.notify(AccessTokenAccepted(request, token))
        return token

    def _report(self, request: Any, error: OAuthGuardError, mode: str) -> None:
        level = logging.INFO if isinstance(error, TokenError) else logging.WARNING
        logger.log(level, "token refused by the %s check: %s", mode, error)
        if self._registry.has_listeners:
            self._registry.notify(AccessTokenRejected(request, error.reason, mode))

    def _find_verifier(self, mode: str) -> Any:
        found = self._verifiers.get(mode)
        if found is None:
            found = self._verifiers[mode] = self._registry.getUtility(ITokenVerifier, name=mode)
        return found
