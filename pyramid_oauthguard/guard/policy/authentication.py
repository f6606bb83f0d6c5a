"""The guard as an authentication policy (IAuthenticationPolicy), for applications that are not yet at security policies."""

from __future__ import annotations

from typing import Any, Final

from pyramid.authorization import ACLDenied
from pyramid.httpexceptions import HTTPForbidden
from pyramid.interfaces import IAuthenticationPolicy
from pyramid.request import Request
from zope.interface import implementer

from ...access_token import AccessToken
from ...errors import MissingToken
from .. import credentials
from ..authentication import Result
from ..challenge import find_refusal, mark_response
from ..state import Guard, require_guard
from .security import TokenDenied, build_denial

__all__ = ["OAuthAuthenticationPolicy", "explain_denial"]

_ASKED: Final = "_oauthguard_authentication_policy"


@implementer(IAuthenticationPolicy)
class OAuthAuthenticationPolicy:
    """Principals from access tokens, for ``config.set_authentication_policy`` and for pyramid_multiauth, with
    ``oauthguard.policy = off``.

    The principals are those of :class:`OAuthSecurityPolicy`. The user id is the token's ``sub`` where this policy is the only
    one. In a chain of policies it is the principal ``user:<sub>``, or ``client:<client_id>`` if the token acts for no user:
    pyramid_multiauth makes a principal of the user id, and a ``sub`` such as ``group:admins`` must not become one.
    """

    def authenticated_userid(self, request: Request) -> str | None:
        """The caller, or None without a valid token."""
        guard = _note(request)
        token = guard.authenticator.fetch_token(request)
        if token is None:
            return None
        is_alone = request.registry.queryUtility(IAuthenticationPolicy) is self
        return guard.name_user(token) if is_alone else guard.name_caller(token)

    def unauthenticated_userid(self, request: Request) -> str | None:
        """The same as :meth:`authenticated_userid`: what an unverified token says has no meaning."""
        return self.authenticated_userid(request)

    def effective_principals(self, request: Request) -> list[str]:
        """The principals of the request for ACLs."""
        guard = _note(request)
        return list(guard.list_principals(request, guard.authenticator.authenticate(request)))

    def remember(self, request: Request, userid: str, **kw: Any) -> list[tuple[str, str]]:
        """Nothing: the client keeps its token."""
        return []

    def forget(self, request: Request, **kw: Any) -> list[tuple[str, str]]:
        """Nothing, like :meth:`remember`."""
        return []

    def handles(self, request: Request) -> bool:
        """Whether the request brings a bearer token, well-formed or not."""
        return credentials.is_present(request)


def _note(request: Request) -> Guard:
    """The guard; and that the answer may depend on the token."""
    if _ASKED not in request.__dict__:
        request.__dict__[_ASKED] = True
        if credentials.is_present(request):
            request.add_response_callback(mark_response)
    return require_guard(request)


def explain_denial(forbidden: Any, request: Request) -> Any:
    """The refusal of a permission with the guard's reason, where :class:`OAuthAuthenticationPolicy` was asked for principals;
    any other ``forbidden`` as it is.

    A user of another policy of the chain, who brings no token, is refused as before.
    """
    denied = getattr(forbidden, "result", None)
    if _ASKED not in request.__dict__ or denied is None or find_refusal(forbidden) is not None:
        return forbidden
    result: Result = require_guard(request).authenticator.authenticate(request)
    if isinstance(result, MissingToken) and request.authenticated_userid is not None:
        return forbidden
    if isinstance(denied, ACLDenied):
        return HTTPForbidden(result=build_denial(denied, result))
    # An authorization policy of the application's own: it knows what a good token lacks.
    return forbidden if isinstance(result, AccessToken) else HTTPForbidden(result=TokenDenied(result))
