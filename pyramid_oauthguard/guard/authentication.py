"""Who calls: the token of a request, verified at most once per mode."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

from pyramid.registry import Registry
from pyramid.request import Request

from ..access_token import AccessToken
from ..errors import MissingToken, OAuthGuardError, TokenError, UnavailableError
from ..interfaces import Credential, ICredentialVerifier
from ..logs.marking import note_issuer
from ..outages import Outages
from . import credentials
from .credentials.elsewhere import find_unread, ignore
from .credentials.header import describe_unread
from .events import AccessTokenAccepted, AccessTokenRejected
from .resources.table import ResourceTable
from .settings import GuardSettings
from .verifiers import BOTH, RANKS, join
from .verifiers.application import CheckedVerifier
from .verifiers.chosen import ChosenVerifier, Recall
from .verifiers.joint import JointVerifier

__all__ = ["RESULT", "Authenticator", "Result"]

logger = logging.getLogger("pyramid_oauthguard")

#: A verified token, or why there is none.
Result = AccessToken | OAuthGuardError

_MODE: Final = "_oauthguard_mode"
#: Where the result in the present mode is, for those whom even a call costs too much.
RESULT: Final = "_oauthguard_result"
_RESULT_IN: Final = {mode: f"_oauthguard_result_{mode}" for mode in (*RANKS, BOTH)}
_MISSING: Final = MissingToken()


class Authenticator:
    """Verifies the tokens of one application's requests.

    What it finds stays in the request's ``__dict__``: the result in the present mode under one key, and one more
    for each mode asked.

    :ivar default_mode: the mode of a request before a view that names a stricter one is bound.
    :param resources: which audience a token must have under which path.
    """

    def __init__(self, registry: Registry, settings: GuardSettings, resources: ResourceTable) -> None:
        self._registry = registry
        self._settings = settings
        self._resources = resources
        self._verifiers: dict[str, Any] = {}
        self._recalls: dict[str, Recall] = {}
        self._outages = Outages(logger)
        self._unread = Outages(logger)
        self.default_mode = settings.token_check

    def authenticate(self, request: Request) -> Result:
        """The request's token as its present mode sees it, or the error. Never raises."""
        kept = request.__dict__
        result: Result | None = kept.get(RESULT)
        if result is None:
            mode = kept.get(_MODE) or self.default_mode
            recall = self._recalls.get(mode)
            if recall is not None and not self._registry.has_listeners:
                result = recall(request.environ.get("HTTP_AUTHORIZATION"))
            if result is None:
                result = self._verify(request, mode)
            kept[RESULT] = result
        return result

    def fetch_token(self, request: Request) -> AccessToken | None:
        """The request's token, or None."""
        result = self.authenticate(request)
        return result if isinstance(result, AccessToken) else None

    def strengthen(self, request: Request, mode: str) -> str:
        """Raise the request's mode to ``mode`` if that is stricter. Returns the mode it had."""
        before: str = request.__dict__.get(_MODE) or self.default_mode
        after = join(before, mode)
        if after != before:
            self.restore(request, after)
        return before

    def restore(self, request: Request, mode: str) -> None:
        """Undo :meth:`strengthen` after a mere question about another view."""
        kept = request.__dict__
        result = kept.pop(RESULT, None)
        if result is not None:
            kept[_RESULT_IN[kept.get(_MODE) or self.default_mode]] = result
        kept[_MODE] = mode
        known = kept.get(_RESULT_IN[mode])
        if known is not None:
            kept[RESULT] = known

    def ignore_elsewhere(self, request: Request) -> None:
        """Find a token of this request in its Authorization header only, and forget what was found before."""
        ignore(request)
        for key in (RESULT, *_RESULT_IN.values()):
            request.__dict__.pop(key, None)

    def find_error(self, request: Request, mode: str) -> OAuthGuardError | None:
        """Why ``mode``, which is not the request's own, refuses its token; None where it accepts it."""
        kept = request.__dict__
        result = kept.get(_RESULT_IN[mode])
        if result is None:
            result = kept[_RESULT_IN[mode]] = self._verify(request, mode)
        return None if isinstance(result, AccessToken) else result

    def _verify(self, request: Request, mode: str) -> Result:
        try:
            credential = credentials.find(request)
            if credential is None:
                self._report_unread(request)
                return _MISSING
            token = self.verify(credential, mode)
            self._resources.check(request.environ, token)
        except (TokenError, UnavailableError) as error:
            self._report(request, error, mode)
            return error.with_traceback(None)
        except Exception as error:  # noqa: BLE001  # it may be anything, and its text may hold the token
            failure = UnavailableError("verifier_failed", f"{type(error).__qualname__} was raised")
            self._report(request, failure, mode)
            return failure
        self._outages.settle()
        if self._registry.has_listeners:
            self._registry.notify(AccessTokenAccepted(request, token))
        return token

    def verify(self, credential: Credential, mode: str) -> AccessToken:
        """The token of a credential, by the verifier of ``mode``.

        :raises OAuthGuardError: it is refused, or can't be checked. Whatever else a verifier of the application raises is an outage.
        """
        try:
            token: AccessToken = self._load_verifier(mode).verify(credential)
            return token
        except OAuthGuardError:
            raise
        except Exception as error:  # noqa: BLE001  # it may be anything, and its text may hold the token
            failure = UnavailableError("verifier_failed", f"{type(error).__qualname__} was raised")
        raise failure  # here, so that it does not keep the error above as its context

    def verify_at(self, environ: Mapping[str, Any], credential: Credential, mode: str) -> AccessToken:
        """See :class:`~pyramid_oauthguard.interfaces.ICredentialCheck`."""
        token = self.verify(credential, join(self.default_mode, mode))
        self._resources.check(environ, token)
        return token

    def _report_unread(self, request: Request) -> None:
        header, why = request.environ.get("HTTP_AUTHORIZATION"), find_unread(request)
        if why is not None:
            self._unread.report("another place", f"no access token was read: {why}", level=logging.WARNING)
        elif header is not None:
            found, is_token = describe_unread(header)
            text = f"no access token was read: the Authorization header has {found}, and only Bearer is read"
            self._unread.report(found, text, level=logging.WARNING if is_token else logging.INFO)

    def _report(self, request: Request, error: OAuthGuardError, mode: str) -> None:
        note_issuer(request, getattr(error, "issuer_name", None))
        if isinstance(error, UnavailableError):
            self.report_outage(error, f"the {mode} check")
        else:
            logger.info("token refused by the %s check: %s", mode, error)
        if self._registry.has_listeners:
            self._registry.notify(AccessTokenRejected(request, error.reason, mode))

    def report_outage(self, error: UnavailableError, where: str) -> None:
        """Log why an answer is 503: a line when it begins, and one with a count for each interval."""
        level = logging.ERROR if error.reason == "verifier_failed" else logging.WARNING
        self._outages.report(f"{where}: {error.reason}", f"no answer about a token by {where}: {error}", level=level)

    def _load_verifier(self, mode: str) -> Any:
        found = self._verifiers.get(mode)
        if found is None and mode == BOTH:
            found = self._verifiers[mode] = JointVerifier(*map(self._load_verifier, ("remote", "userinfo")))
        if found is None:
            found = self._registry.getUtility(ICredentialVerifier, name=mode)
            if type(found) is not ChosenVerifier:
                found = CheckedVerifier(found, self._settings.scope_implies)
            elif credentials.is_header_alone(self._registry) and not self._resources.parts:
                # No other's: what wraps or extends ours means to be asked each time. With several resources, the path
                # decides too.
                self._recalls[mode] = found.recall
            self._verifiers[mode] = found
        return found
