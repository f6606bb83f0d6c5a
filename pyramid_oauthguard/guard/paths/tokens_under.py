"""Access tokens under some paths, another security policy everywhere else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pyramid.authorization import Everyone
from pyramid.interfaces import ISecurityPolicy
from pyramid.request import Request
from pyramid.security import Denied
from zope.interface import implementer

from ...errors import InsufficientScope, MissingToken, SettingError
from ...locations import describe_call, find_line
from ..challenge import mark_refusal
from ..outcome import TokenOutcome, build_outcome
from ..policy import OAuthSecurityPolicy
from ..resources.prefixes import Prefixes

__all__ = ["TokensUnder", "find_misplacement", "find_tokens_under"]

_NAME: Final = "TokensUnder"
_FOUND: Final = "_oauthguard_tokens_under"  # an attribute of the registry: a policy, and what was found in it
_METHODS: Final = ("identity", "authenticated_userid", "permits", "remember", "forget")


@implementer(ISecurityPolicy)
class TokensUnder:
    """A security policy for an API and pages in one application, with ``oauthguard.policy = off``::

        config.set_security_policy(TokensUnder("/api/", other=SessionPolicy()))

    Under a prefix only access tokens count, and ``other`` is never asked who the caller is. Elsewhere only ``other`` counts,
    and a token gives nothing. The path alone decides, never a header: the caller chooses the headers. Where Pyramid can read
    a path as under a prefix and as not under it (``/api/../account``), there is no identity and no permission.

    A view with ``token_check`` or ``token_require`` works under a prefix only. Start-up stops where its route is elsewhere;
    a request that reaches it elsewhere is refused with 403.

    :param prefixes: one or more paths, such as ``/api/``: whole segments of the decoded path below SCRIPT_NAME, compared
        letter by letter. The bare path ``/api`` is included.
    :param other: the security policy of everything else.
    :raises SettingError: a prefix is not one, or ``other`` is not a security policy.
    """

    def __init__(self, *prefixes: str, other: Any) -> None:
        try:
            _check_other(other)
            self.prefixes = Prefixes(_NAME, prefixes)
            if self.prefixes.has_every_path:
                text = "'/' leaves no path to the other policy"
                raise SettingError(_NAME, text, "drop it, and set oauthguard.policy = on")
        except SettingError as error:
            error.place = describe_call(find_line())  # found here, since this is not a call of Pyramid
            raise
        self.other = other
        self.tokens = OAuthSecurityPolicy()

    def handles(self, request: Request) -> bool:
        """Whether access tokens decide about the request."""
        return self.prefixes.covers(request.environ) is True

    def identity(self, request: Request) -> Any:
        """Under a prefix the :class:`~pyramid_oauthguard.AccessToken` or None, elsewhere what ``other`` says."""
        policy = self._find(request)
        return None if policy is None else policy.identity(request)

    def authenticated_userid(self, request: Request) -> Any:
        """Under a prefix the token's ``sub`` or None, elsewhere what ``other`` says."""
        policy = self._find(request)
        return None if policy is None else policy.authenticated_userid(request)

    def permits(self, request: Request, context: Any, permission: str) -> Any:
        """What :class:`OAuthSecurityPolicy` says under a prefix, and ``other`` elsewhere."""
        policy = self._find(request)
        if policy is None:
            return Denied("the path can be read as under %s and as not under it", str(self.prefixes))
        if policy is self.tokens:
            request.add_response_callback(mark_refusal)  # no cache may answer another caller with this answer
        return policy.permits(request, context, permission)

    def effective_principals(self, request: Request) -> frozenset[str]:
        """The principals for ACLs. Outside of the prefixes, those of ``other``, or Everyone if it has no such method."""
        find = getattr(self._find(request), "effective_principals", None)
        return frozenset({Everyone} if find is None else find(request))

    def result(self, request: Request) -> TokenOutcome:
        """What :meth:`OAuthSecurityPolicy.result` says under a prefix. Elsewhere a token counts as missing."""
        return self.tokens.result(request) if self.handles(request) else build_outcome(MissingToken("outside_prefix"))

    def remember(self, request: Request, userid: Any, **kw: Any) -> Any:
        """The answer of ``other`` for every path, since the client keeps its tokens itself."""
        return self.other.remember(request, userid, **kw)

    def forget(self, request: Request, **kw: Any) -> Any:
        """The answer of ``other``, as in :meth:`remember`."""
        return self.other.forget(request, **kw)

    def _find(self, request: Request) -> Any:
        """The policy of the request's path; None if the path can be read in two ways."""
        covered = self.prefixes.covers(request.environ)
        if covered is None:
            return None
        return self.tokens if covered else self.other


def find_tokens_under(registry: Any) -> TokensUnder | None:
    """The application's policy if it is a :class:`TokensUnder`, or holds one in an attribute, as a wrapper does.

    NOT found: one that a wrapper keeps elsewhere, such as in a closure.
    """
    policy = registry.queryUtility(ISecurityPolicy)
    if policy is None or isinstance(policy, TokensUnder):
        return policy
    known = getattr(registry, _FOUND, None)
    if known is None or known[0] is not policy:
        known = (policy, _unwrap(policy, (TokensUnder,)))
        setattr(registry, _FOUND, known)
    found: TokensUnder | None = known[1]
    return found


def _unwrap(policy: Any, kinds: tuple[type, ...], deepest: int = 4) -> Any:
    """The first policy of one of ``kinds`` among the policies that ``policy`` holds, alone or in a list, a tuple or a dict."""
    for value in (*_read_slots(policy), *getattr(policy, "__dict__", {}).values()):
        several = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else (value,)
        for each in several:
            if isinstance(each, kinds):
                return each
            if deepest and all(callable(getattr(type(each), name, None)) for name in _METHODS):
                found = _unwrap(each, kinds, deepest - 1)
                if found is not None:
                    return found
    return None


def _read_slots(policy: Any) -> Iterator[Any]:
    for owner in type(policy).__mro__:
        names = getattr(owner, "__slots__", ())
        for name in (names,) if isinstance(names, str) else names:
            yield getattr(policy, name, None)


def find_misplacement(request: Request) -> InsufficientScope | None:
    """Why a view that requires a token must not answer: the request's path is not under a prefix of the policy."""
    policy = find_tokens_under(request.registry)
    if policy is None or policy.handles(request):
        return None
    return InsufficientScope("outside_prefix")


_TAKE_TOKENS: Final = (OAuthSecurityPolicy, TokensUnder)


def _check_other(other: Any) -> None:
    missing = [name for name in _METHODS if not callable(getattr(other, name, None))]
    if isinstance(other, type):
        raise SettingError(_NAME, f"other is the class {other.__name__}", "give an object: other=SessionPolicy()")
    if missing:
        text = f"other, a {type(other).__name__}, is not a security policy: it has no {', '.join(missing)}"
        raise SettingError(_NAME, text, "authentication policies of Pyramid 1 are not supported")
    if isinstance(other, _TAKE_TOKENS) or _unwrap(other, _TAKE_TOKENS) is not None:
        raise SettingError(_NAME, "other takes access tokens too", "give all prefixes to one TokensUnder")
