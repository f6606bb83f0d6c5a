"""From settings to a running server: the endpoints first, and what writes to the disk last."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from pyramid.config import Configurator
from pyramid.events import ApplicationCreated
from pyramid.interfaces import PHASE3_CONFIG
from pyramid.registry import Registry
from zope.interface import Interface

from ..errors import UnavailableError
from ..interfaces import IIssuer, IOAuthStore, ISelfCheck
from ..outages import Outages
from . import admin
from .access_tokens import TokenMaker
from .assertions.trusted import TrustedIssuers
from .audit import build_teller
from .clients.documents.source import DocumentSource
from .clients.key_sources.remote import RemoteKeys
from .clients.registry import ClientRegistry, IClientRegistry
from .consent import pages
from .directives import IAddedGrants, IResourceOwner
from .embedded import EmbeddedIssuer
from .endpoints import ENDPOINTS
from .events import build_notifier
from .grant_types import OWNED_GRANTS, USER_GRANTS, GrantDeclaration, check_names
from .grants import GRANTS
from .grants.jwt_bearer import JWT_BEARER
from .http.limit_settings import build_limits
from .http.origins import Origins
from .http.route_order import take_place
from .keys.making import KeyMaker
from .keys.registry import IKeyRegistry, KeyRegistry
from .keys.ring import KeyPolicy, KeyRing
from .opening import open_storage
from .self_check import report_server
from .service import IService, Service
from .settings import ServerSettings, find_named_grants, has_assertions, parse_settings
from .users import IUserRegistry, UserRegistry

__all__ = ["STARTED", "add_endpoints", "check_grants", "start", "take_up"]

log = logging.getLogger("pyramid_oauthguard.server")
#: After everything else: a configuration that fails leaves neither a database nor a key behind.
STARTED: Final = PHASE3_CONFIG + 10


class _IAdded(Interface):
    """The registry key of what the application had added when the endpoints were added last."""


def add_endpoints(config: Configurator) -> None:
    """Read the settings and add the routes and views."""
    registry = config.registry
    check_names(_list_grants(registry).values())
    registry.registerUtility(_find_added(registry), _IAdded)
    settings = _read_settings(config)
    if USER_GRANTS.intersection(settings.grants):
        pages.include(config, settings)
    for endpoint in ENDPOINTS:
        endpoint.include(config, settings)
    admin.include(config, settings)
    take_place(config)


def start(config: Configurator) -> None:
    """Open the store, read or make the pepper and the first signing key, and register what others look up.

    :raises SettingError: the pepper or the database can't be used.
    """
    registry, settings = config.registry, _read_settings(config)
    running = registry.queryUtility(IService)
    if running is None or running.store is not (registry.queryUtility(IOAuthStore) or running.store):
        service = _build_service(registry, settings)
        _close(running)
    else:
        service = replace(running, settings=settings, **_find_hooks(registry, settings))
    _register(registry, service)
    try:
        service.keys.find_signer()
    except UnavailableError as error:
        log.warning("there is no signing key yet; the first token request tries again: %s", error)
    if registry.queryUtility(IOAuthStore) is None:
        _close(service)  # this process may only fork others, which must not inherit a connection


def take_up(config: Configurator) -> None:
    """Make a server that was assembled already take up what the application added since: in a later commit, or with
    ``autocommit``, where each call counts at once."""
    registry = config.registry
    before = registry.queryUtility(_IAdded)
    if before is not None and before != _find_added(registry):
        add_endpoints(config)
        config.action("oauthguard server", start, args=(config,), order=STARTED)


def check_grants(event: ApplicationCreated) -> None:
    """With ``autocommit`` the settings may name grants that the application adds later; now it has added them all."""
    registry = event.app.registry
    parse_settings(registry.settings, known_grants=frozenset(_find_grants(registry)), declared=_list_grants(registry))


def _register(registry: Registry, service: Service) -> None:
    registry.registerUtility(service, IService)
    _require_issuer(registry, service.settings).service = service
    clients = ClientRegistry(service.store, service.pepper, grants=_list_grants(registry), tell=service.tell)
    registry.registerUtility(clients, IClientRegistry)
    registry.registerUtility(UserRegistry(service), IUserRegistry)
    registry.registerUtility(report_server, ISelfCheck, name="server")


def _build_service(registry: Registry, settings: ServerSettings) -> Service:
    issuer = _require_issuer(registry, settings)
    tell = build_teller(build_notifier(registry, first=issuer.hear))
    own = registry.queryUtility(IOAuthStore)
    outages = Outages(log)
    store, pepper = open_storage(settings, own, settle=outages.settle)
    maker, policy = KeyMaker(pepper), KeyPolicy.of(settings)
    registry.registerUtility(KeyRegistry(store, maker, policy, tell=tell), IKeyRegistry)
    keys = KeyRing(store, maker, policy, tell=tell, changed=issuer.tell_keys_changed)
    remote = RemoteKeys()
    limits = build_limits(settings, pepper.derive_key("limits").hex())
    return Service(
        settings=settings,
        store=store,
        pepper=pepper,
        keys=keys,
        tokens=TokenMaker(settings, keys, pepper),
        tell=tell,
        limits=limits,
        origins=Origins(store),
        outages=outages,
        mistakes=Outages(log),
        documents=DocumentSource(settings, store, limits),
        remote_keys=remote,
        assertions=TrustedIssuers(settings.assertions, settings.issuer, pepper, remote),
        **_find_hooks(registry, settings),
    )


def _require_issuer(registry: Registry, settings: ServerSettings) -> EmbeddedIssuer:
    """The embedded issuer that is registered already (a guard may listen to it), or a new one."""
    issuer = registry.queryUtility(IIssuer, name=settings.issuer)
    if not isinstance(issuer, EmbeddedIssuer):
        issuer = EmbeddedIssuer(settings.issuer)
        registry.registerUtility(issuer, IIssuer, name=issuer.identifier)
    return issuer


def _find_hooks(registry: Registry, settings: ServerSettings) -> dict[str, Any]:
    """The parts of a service that the application can add."""
    grants = _find_grants(registry)
    return {
        "grants": {name: grants[name] for name in settings.grants},
        "owner": registry.queryUtility(IResourceOwner),
    }


def _find_added(registry: Registry) -> tuple[Any, ...]:
    added = registry.queryUtility(IAddedGrants) or {}
    return registry.queryUtility(IResourceOwner), registry.queryUtility(IOAuthStore), dict(added)


def _close(running: Service | None) -> None:
    close = getattr(running.store, "close", None) if running is not None else None
    if close is not None:  # a store of the application's own need not have one
        close()


def _list_grants(registry: Registry) -> Mapping[str, GrantDeclaration]:
    """The grants that a client may be registered for, also while they are off."""
    return {**GRANTS, **(registry.queryUtility(IAddedGrants) or {})}


def _find_grants(registry: Registry) -> Mapping[str, GrantDeclaration]:
    """The grants that can be on. Grants that need a user are off if the application has no hooks for users, and assertions if no
    issuer is trusted."""
    owner, added = registry.queryUtility(IResourceOwner), registry.queryUtility(IAddedGrants) or {}
    off: frozenset[str] = frozenset() if hasattr(owner, "user") and hasattr(owner, "sign_in") else OWNED_GRANTS
    if not has_assertions(registry.settings):
        off |= {JWT_BEARER}
    return {name: grant for name, grant in _list_grants(registry).items() if name not in off or name in added}


def _read_settings(config: Configurator) -> ServerSettings:
    registry = config.registry
    declared, found = _list_grants(registry), frozenset(_find_grants(registry))
    # With autocommit the calls that bring a grant come later: what is named is on once it is there, see check_grants.
    named = find_named_grants(registry.settings, declared) if config.autocommit else frozenset()
    settings = parse_settings(registry.settings, known_grants=found | named, declared=declared)
    return replace(settings, grants=tuple(name for name in settings.grants if name in found))
