"""What the guard knows of one application. It lives in that application's registry and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final
from weakref import WeakSet

from pyramid.authorization import Authenticated, Everyone
from pyramid.registry import Registry
from pyramid.request import Request

from ..access_token import AccessToken, derive
from ..errors import SettingError
from .authentication import Authenticator, Result
from .challenge import Challenger
from .naming import Naming
from .resources.table import ResourceTable
from .settings import GuardSettings
from .verifiers.access_tokens import find_roles

__all__ = ["Guard", "get_guard", "require_guard"]

_EVERYONE: Final = frozenset({Everyone})
_PRINCIPALS: Final = "_oauthguard_principals"

MorePrincipals = Callable[[AccessToken, Any], Iterable[str]]


class Guard:
    """One application's guard."""

    def __init__(self, registry: Registry, settings: GuardSettings, resources: ResourceTable) -> None:
        self.settings = settings
        self.resources = resources
        self.authenticator = Authenticator(registry, settings, resources)
        self.challenger = Challenger(settings.realm, resources.find_metadata_url)
        self.more_principals: MorePrincipals | None = settings.principals
        self.naming = Naming(settings)
        #: By the name of the issuer: where its keys come from; of a template, those of each tenant that is in use.
        self.key_sources: dict[str | None, WeakSet[Any]] = {}

    def list_principals(self, request: Request, result: Result) -> frozenset[str]:
        """Who the caller is to an ACL. Every principal out of the token bears a prefix, so none can be forged."""
        if not isinstance(result, AccessToken):
            return _EVERYONE
        principals = self.list_own_principals(result)
        if self.more_principals is None:
            return principals
        kept = request.__dict__.get(_PRINCIPALS)
        if kept is None or kept[0] is not result:
            found: Any = self.more_principals(result, request)
            more = () if found is None else found
            if isinstance(more, str):  # as a set, its letters
                raise TypeError("oauthguard.principals must return several texts, not one")
            kept = request.__dict__[_PRINCIPALS] = (result, principals.union(more))
        return kept[1]  # type: ignore[no-any-return]

    def list_own_principals(self, token: AccessToken) -> frozenset[str]:
        """Those that the token alone gives, without those of the application's function."""
        principals: frozenset[str] = derive(token, self._build_principals)
        return principals

    def name_client(self, token: AccessToken) -> str | None:
        """What the token's client is called in requirements and principals."""
        return None if token.client_id is None else self.naming.qualify(token, token.client_id)

    def name_user(self, token: AccessToken) -> str | None:
        """What the token's subject is called; the authenticated user id. An empty subject is none."""
        return self.naming.qualify(token, token.subject) if token.subject else None

    def name_caller(self, token: AccessToken) -> str | None:
        """The principal of the user that the token acts for, or else of its client; None where the token names neither."""
        if _acts_for_user(token):
            return f"user:{self.name_user(token)}"
        return f"client:{self.name_client(token)}" if token.client_id else None

    def _build_principals(self, token: AccessToken) -> frozenset[str]:
        qualify = self.naming.qualify
        principals = {Everyone, Authenticated}
        principals.update(f"scope:{scope}" for scope in token.scopes | token.implied_scopes)
        if token.client_id:
            principals.add(f"client:{self.name_client(token)}")
        if _acts_for_user(token):
            principals.add(f"user:{self.name_user(token)}")
        principals.update(f"role:{qualify(token, role)}" for role in self.list_roles(token))
        issuer = self.naming.name_issuer(token)
        if issuer is not None:
            principals.add(f"issuer:{issuer}")
        return frozenset(principals)

    def list_roles(self, token: AccessToken) -> tuple[str, ...]:
        """The roles that are trusted from the token's issuer."""
        settings = self.naming.find_settings(token) or self.settings
        if token.mode == "userinfo":  # it does not say what the token is for
            return ()
        if not settings.role_claim:
            return ()
        roles = find_roles(token.claims, settings.role_claim)
        if settings.trusted_roles is None:
            return roles
        return tuple(role for role in roles if role in settings.trusted_roles)


def get_guard(registry: Registry) -> Guard:
    """The guard of an application. :raises SettingError: it has none."""
    guard: Guard | None = registry.__dict__.get("oauthguard")
    if guard is None:
        raise SettingError("oauthguard", "is not configured", 'config.include("pyramid_oauthguard") comes first')
    return guard


def require_guard(request: Request) -> Guard:
    """The guard of the request's application."""
    return request.registry.__dict__.get("oauthguard") or get_guard(request.registry)


def _acts_for_user(token: AccessToken) -> bool:
    """Not where the client acts for itself, which issuers say in their own ways (RFC 9068 section 2.2). An empty ``sub``, such as
    that of Cloudflare's service tokens, names no user.
    """
    claims, client = token.claims, token.client_id
    # Auth0; ForgeRock, where such a client is an agent.
    if not token.subject or token.subject in (client, f"{client}@clients", f"(age!{client})"):
        return False
    # Keycloak gives each such client a user of its own.
    if client is not None and claims.get("preferred_username") == f"service-account-{client}".lower():
        return False
    # Entra ID and ADFS: an application has roles and no delegated permissions, and version 1 has no idtyp.
    is_microsoft = "apptype" in claims or ("ver" in claims and ("appid" in claims or "tid" in claims))
    if is_microsoft and "scp" not in claims:
        return False
    return not any(claims.get(name) == value for name, value in _APPLICATIONS)


#: Claims by which Auth0, Entra ID and WSO2 say that an application acts for itself. Its sub at WSO2 may be the user who owns it.
_APPLICATIONS: Final = (("gty", "client-credentials"), ("idtyp", "app"), ("aut", "APPLICATION"))
