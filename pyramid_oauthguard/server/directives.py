"""The directives with which an application extends the authorization server."""

from __future__ import annotations

from typing import Any, Final

from pyramid.config import Configurator
from pyramid.interfaces import PHASE0_CONFIG
from zope.interface import Interface

from ..errors import SettingError
from ..includes import build_class_error, needs_object
from ..interfaces import IOAuthStore
from .grant_types import GrantDeclaration, declare_grant
from .http.parameters import KNOWN

__all__ = [
    "IAddedGrants",
    "IAssembly",
    "IResourceOwner",
    "add_oauth_grant",
    "set_oauth_store",
    "set_resource_owner",
]

EARLY = PHASE0_CONFIG - 10  # the settings are read in PHASE0 and need these
_OWNER: Final = "set_resource_owner"
_SIGN_IN: Final = ("user", "sign_in")
#: The methods of :class:`.service.ResourceOwner`.
_HOOKS: Final = (*_SIGN_IN, "sign_out", "principals", "approve", "auth_time", "acr", "user_name", "is_active")


class IAddedGrants(Interface):
    """The registry key of the grants that the application added, by grant type."""


class IResourceOwner(Interface):
    """The registry key of the application's :class:`.service.ResourceOwner`."""


class IAssembly(Interface):
    """The registry key of a function of ``config``: a server that is already set up takes up what was added later."""


def add_oauth_grant(config: Configurator, grant_class: Any, *extensions: Any) -> None:
    """Add a grant of the token endpoint: a subclass of :class:`~pyramid_oauthguard.server.grants.OAuthGrant`, or of Authlib's
    ``BaseGrant`` and ``TokenEndpointMixin``.

    It is on unless the setting ``oauthguard.server.grants`` leaves it out. The class declares itself with the attributes that
    :func:`~pyramid_oauthguard.server.grant_types.declare_grant` reads, as the grants of this server do.

    :param extensions: Authlib's, called with the grant of each request.
    :raises SettingError: it is not such a class, or an attribute is missing or wrong.
    """
    declaration = declare_grant(grant_class, *extensions, added=True)
    _check_repeatable(declaration)
    grant_type = declaration.grant_type

    def register() -> None:
        added = config.registry.queryUtility(IAddedGrants) or {}
        added[grant_type] = declaration
        config.registry.registerUtility(added, IAddedGrants)

    intro = config.introspectable("oauthguard grants", grant_type, grant_type, "OAuth grant")
    intro["class"] = grant_class
    config.action(("oauthguard grant", grant_type), register, introspectables=(intro,), order=EARLY)
    _take_up(config)


def set_oauth_store(config: Configurator, store: Any) -> None:
    """Keep clients and tokens in ``store`` instead of in ``oauthguard.server.sqlalchemy.url``.

    :param store: satisfies :class:`pyramid_oauthguard.server.store.contract.Store`.
    :raises SettingError: it is not such an object.
    """
    _check_store(store)
    config.action(IOAuthStore, lambda: config.registry.registerUtility(store, IOAuthStore), order=EARLY)
    _take_up(config)


def set_resource_owner(config: Configurator, hooks: Any) -> None:
    """Say how the application knows its users.

    :param hooks: satisfies :class:`.service.ResourceOwner`, or a dotted name of it.
    :raises SettingError: it can't be called as one, or users could not sign in.
    """
    found = config.maybe_dotted(hooks)
    _check_hooks(found)
    config.action(IResourceOwner, lambda: config.registry.registerUtility(found, IResourceOwner), order=EARLY)
    _take_up(config)


def _check_store(store: object) -> None:
    """With None, the database of the settings would be used instead, without a word."""
    missing = [name for name in ("reading", "writing") if not callable(getattr(store, name, None))]
    if isinstance(store, type):
        raise build_class_error("set_oauth_store", store, "…")
    if missing:
        raise SettingError("set_oauth_store", f"an object of type {type(store).__name__} has no method {missing[0]}")


def _check_hooks(owner: object) -> None:
    """A server without pages is possible, but not by mistake: its authorization endpoint would be 404 without a word."""
    if needs_object(owner, *_HOOKS):
        raise build_class_error(_OWNER, owner)
    given = [name for name in _HOOKS if callable(getattr(owner, name, None))]
    kind = type(owner).__name__
    if not given:
        raise SettingError(_OWNER, f"an object of type {kind} has none of the methods {', '.join(_HOOKS)}")
    missing = [name for name in _SIGN_IN if name not in given]
    if len(missing) == 1:
        hint = "users can sign in only with both; leave both out for a server without pages"
        raise SettingError(_OWNER, f"an object of type {kind} has no method {missing[0]}", hint)


def _check_repeatable(declaration: GrantDeclaration) -> None:
    taken = sorted(KNOWN & declaration.repeatable)
    if taken:
        text = f"{declaration.class_name}.REPEATABLE_PARAMETERS has {taken[0]}, which the server reads once"
        raise SettingError("add_oauth_grant", text)


def _take_up(config: Configurator) -> None:
    """With ``autocommit``, and in a later commit, the server runs before the directive is called."""

    def take_up() -> None:
        assembly = config.registry.queryUtility(IAssembly)
        if assembly is not None:
            assembly(config)

    config.action(None, take_up, order=PHASE0_CONFIG)
