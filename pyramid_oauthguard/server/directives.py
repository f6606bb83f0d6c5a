"""What an application may add to the authorization server, beside its settings."""

from __future__ import annotations

from typing import Any

from pyramid.interfaces import PHASE0_CONFIG
from zope.interface import Interface

from ..errors import SettingError
from ..interfaces import IOAuthStore
from .grants.added import check_declaration
from .service import GrantEntry

__all__ = [
    "IAddedGrants",
    "IAssembly",
    "IResourceOwner",
    "add_oauth_grant",
    "set_oauth_store",
    "set_resource_owner",
]

EARLY = PHASE0_CONFIG - 10  # the settings are read in PHASE0 and have to know of these


class IAddedGrants(Interface):
    """The registry key of the grants that the application added, by grant type."""


class IResourceOwner(Interface):
    """The registry key of the application's :class:`.service.ResourceOwner`."""


class IAssembly(Interface):
    """The registry key of the function of ``config`` that makes a server that runs already take up what was added."""


def add_oauth_grant(config: Any, grant_class: Any, *extensions: Any) -> None:
    """Add a grant: a subclass of Authlib's ``BaseGrant`` and ``TokenEndpointMixin`` with its ``GRANT_TYPE``.

    It is on unless the setting ``oauthguard.server.grants`` leaves it out. The class says for whom its tokens are
    (``ACTS_FOR_USER``) and makes them with ``self.generate_token``; see :mod:`~pyramid_oauthguard.server.grants.added`.

    :raises SettingError: it is not such a class, or does not say for whom its tokens are.
    """
    grant_type = getattr(grant_class, "GRANT_TYPE", None)
    if not isinstance(grant_type, str) or not grant_type or not hasattr(grant_class, "check_token_endpoint"):
        raise SettingError("add_oauth_grant", f"{grant_class!r} is not a grant of the token endpoint with a GRANT_TYPE")
    check_declaration(grant_class)

    def register() -> None:
        added = config.registry.queryUtility(IAddedGrants) or {}
        added[grant_type] = GrantEntry(grant_class, extensions, added=True)
        config.registry.registerUtility(added, IAddedGrants)

    intro = config.introspectable("oauthguard grants", grant_type, grant_type, "OAuth grant")
    intro["class"] = grant_class
    config.action(("oauthguard grant", grant_type), register, introspectables=(intro,), order=EARLY)
    _take_up(config)


def set_oauth_store(config: Any, store: Any) -> None:
    """Keep clients and tokens in ``store`` instead of in ``oauthguard.server.sqlalchemy.url``.

    :param store: satisfies :class:`pyramid_oauthguard.server.store.contract.Store`.
    """
    config.action(IOAuthStore, lambda: config.registry.registerUtility(store, IOAuthStore), order=EARLY)
    _take_up(config)


def set_resource_owner(config: Any, hooks: Any) -> None:
    """Say how the application knows its users.

    :param hooks: satisfies :class:`.service.ResourceOwner`, or a dotted name of it.
    """
    found = config.maybe_dotted(hooks)
    config.action(IResourceOwner, lambda: config.registry.registerUtility(found, IResourceOwner), order=EARLY)
    _take_up(config)


def _take_up(config: Any) -> None:
    """With ``autocommit``, and in a later commit, the server runs before the directive is called."""

    def take_up() -> None:
        assembly = config.registry.queryUtility(IAssembly)
        if assembly is not None:
            assembly(config)

    config.action(None, take_up, order=PHASE0_CONFIG)
