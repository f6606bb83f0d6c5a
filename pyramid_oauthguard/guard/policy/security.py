"""The security policy: a token becomes principals, ACLs decide (Pyramid's ISecurityPolicy)."""

from __future__ import annotations

from typing import Any, Final

from pyramid.authorization import ACLHelper, Authenticated, Deny, Everyone
from pyramid.interfaces import ISecurityPolicy
from pyramid.request import Request
from pyramid.security import Denied
from zope.interface import implementer

from ...access_token import AccessToken
from ...errors import InsufficientScope, OAuthGuardError
from .. import credentials
from ..authentication import Result
from ..outcome import TokenOutcome, build_outcome
from ..requirements import name_scopes
from ..state import Guard, require_guard

__all__ = ["OAuthSecurityPolicy", "TokenDenied", "build_denial"]

_ACL: Final = ACLHelper()


class TokenDenied(Denied):
    """A refusal with its reason.

    :ivar error: the :class:`~pyramid_oauthguard.OAuthGuardError` that says what to answer.
    :ivar reason: its machine-readable word.
    """

    error: OAuthGuardError
    reason: str

    def __new__(cls, error: OAuthGuardError, text: str = "") -> TokenDenied:
        denied: TokenDenied = super().__new__(cls, "%s", text or f"access denied: {error.reason}")
        denied.error = error
        denied.reason = error.reason
        return denied


@implementer(ISecurityPolicy)
class OAuthSecurityPolicy:
    """Principals from access tokens, permissions from ACLs.

    Installed by ``config.include("pyramid_oauthguard")``; with ``oauthguard.policy = off`` an application
    makes one and asks it where :meth:`handles` says so.
    """

    def __init__(self, guard: Guard | None = None) -> None:
        self._guard = guard  # spares a look-up where one application is known

    def identity(self, request: Request) -> AccessToken | None:
        """The verified token of the request, or None. Never raises."""
        return require_guard(request).authenticator.fetch_token(request)

    def authenticated_userid(self, request: Request) -> str | None:
        """The token's ``sub``; with the issuer's name before it if there are several issuers."""
        guard = require_guard(request)
        token = guard.authenticator.fetch_token(request)
        return None if token is None else guard.name_user(token)

    def permits(self, request: Request, context: Any, permission: str) -> Any:
        """ACLAllowed, or a ``TokenDenied`` with the error that says what is missing."""
        guard = self._guard or require_guard(request)
        result = guard.authenticator.authenticate(request)
        allowed = _ACL.permits(context, guard.list_principals(request, result), permission)
        if allowed:
            return allowed
        return build_denial(allowed, result)

    def effective_principals(self, request: Request) -> frozenset[str]:
        """The principals of the request for ACLs."""
        guard = require_guard(request)
        return guard.list_principals(request, guard.authenticator.authenticate(request))

    def result(self, request: Request) -> TokenOutcome:
        """Whether the request brings a good token, none, a bad one, or one that cannot be checked now. Never raises.

        The token is checked as strictly as the view of the request wants it; before a view is found, as
        ``oauthguard.token_check`` says.
        """
        return build_outcome(require_guard(request).authenticator.authenticate(request))

    def remember(self, request: Request, userid: str, **kw: Any) -> list[tuple[str, str]]:
        """Nothing: the client keeps its token."""
        return []

    def forget(self, request: Request, **kw: Any) -> list[tuple[str, str]]:
        """Nothing, like :meth:`remember`."""
        return []

    def handles(self, request: Request) -> bool:
        """Whether the request brings a bearer token, well-formed or not."""
        return credentials.is_present(request)


def build_denial(denied: Any, result: Result) -> TokenDenied:
    """What an ACL denied, with the error that names what is missing.

    :param result: what became of the request's token.
    """
    if isinstance(result, OAuthGuardError):
        return TokenDenied(name_scopes(result, _find_scopes(denied)), str(denied))
    return TokenDenied(_find_lack(denied), str(denied))


def _find_lack(denied: Any) -> InsufficientScope:
    """What a good token lacks: the scopes that the ACL allows, unless it denies this caller."""
    ace = denied.ace
    if not isinstance(ace, str) and ace[0] == Deny and ace[1] != Everyone:
        return InsufficientScope("denied")
    scopes = _find_scopes(denied)
    return InsufficientScope("insufficient_scope" if scopes else "denied", scopes=scopes)


def _find_scopes(denied: Any) -> tuple[str, ...]:
    """The scopes of which the ACL wants one; none where it lets any good token in."""
    allowed = _ACL.principals_allowed_by_permission(denied.context, denied.permission)
    if not {Everyone, Authenticated}.isdisjoint(allowed):
        return ()
    names = (name for name in allowed if isinstance(name, str))  # others may be numbers of users, for example
    return tuple(sorted(name.removeprefix("scope:") for name in names if name.startswith("scope:")))
