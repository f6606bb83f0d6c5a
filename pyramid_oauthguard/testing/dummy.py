"""A token on a request that went through no guard, for unit tests of views."""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from ..access_token import AccessToken, freeze
from .tokens import ABSENT

if TYPE_CHECKING:  # the tests of an application that makes only tokens need not wait for it
    from pyramid.request import Request

__all__ = ["set_token"]

_TOKEN: Final = "_oauthguard_testing_token"  # noqa: S105  # a key of the request's __dict__
_LIFE_SECONDS: Final = 600


def set_token(
    request: Request,
    claims: Mapping[str, Any] | None = None,
    *,
    mode: str = "local",
    issuer_name: str | None = None,
    **more: Any,
) -> AccessToken:
    """Put a token on ``request``, as if the guard had verified it: ``set_token(request, sub="ada", scope="read")``.

    ``request.access_token``, ``request.identity`` and ``request.authenticated_userid`` then show it, and so do the ACLs if
    the guard's policy is registered. For ``pyramid.testing.DummyRequest`` and any other request that a test makes.

    NOT checked: anything. No view option is applied and no claim is verified; for that, send a request through the application
    (:func:`~pyramid_oauthguard.testing.trust`).

    :param claims: claims whose names are not Python's; ``more`` are further claims. They overrule those that
        :class:`~pyramid_oauthguard.testing.MemoryIssuer` gives a token. :data:`~pyramid_oauthguard.testing.ABSENT`
        leaves one out.
    :param mode: the value of ``AccessToken.mode``: ``"local"``, ``"remote"`` or ``"userinfo"``.
    :param issuer_name: the value of ``AccessToken.issuer_name``.
    :returns: the token.
    """
    from ..guard.authentication import RESULT  # the guard is not loaded for suites that only make tokens

    members = {**_build_claims(request), **(claims or {}), **more}
    token = _build_token({name: value for name, value in members.items() if value is not ABSENT}, mode, issuer_name)
    request.__dict__[_TOKEN] = request.__dict__[RESULT] = token
    request.__class__ = _extend(request.__class__)
    return token


class _RequestWithToken:
    @property
    def access_token(self) -> AccessToken | None:
        token: AccessToken | None = self.__dict__.get(_TOKEN)
        return token

    @property
    def identity(self) -> AccessToken | None:
        return self.access_token

    @property
    def authenticated_userid(self) -> str | None:
        token = self.access_token
        guard = getattr(getattr(self, "registry", None), "oauthguard", None)
        if token is None or guard is None:
            return None if token is None else token.subject
        name: str | None = guard.name_user(token)
        return name


@functools.lru_cache(maxsize=16)
def _extend(kind: type) -> type:
    if issubclass(kind, _RequestWithToken):
        return kind
    return type(kind.__name__, (_RequestWithToken, kind), {"__module__": kind.__module__})


def _build_claims(request: Request) -> dict[str, Any]:
    settings = getattr(request.registry, "settings", None) or {}
    now = int(time.time())
    return {
        "iss": settings.get("oauthguard.issuer", "https://issuer.test"),
        "sub": "test-user",
        "aud": settings.get("oauthguard.audience", "https://api.test").split()[0],
        "client_id": "test-client",
        "iat": now,
        "exp": now + _LIFE_SECONDS,
        "jti": "test-token",
    }


def _build_token(claims: dict[str, Any], mode: str, issuer_name: str | None) -> AccessToken:
    scope, audience = claims.get("scope", ""), claims.get("aud", ())
    return AccessToken(
        subject=claims.get("sub"),
        client_id=claims.get("client_id"),
        scopes=frozenset(scope.split() if isinstance(scope, str) else scope),
        audience=(audience,) if isinstance(audience, str) else tuple(audience),
        issuer=claims.get("iss", ""),
        expires_at=claims.get("exp", 0),
        issued_at=claims.get("iat"),
        token_id=claims.get("jti"),
        username=claims.get("username"),
        claims=freeze(claims),
        mode=mode,
        issuer_name=issuer_name,
    )
