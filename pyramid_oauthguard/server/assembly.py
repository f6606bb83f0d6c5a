"""From settings to a running server: the endpoints first, and what touches the disk last."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from ..errors import UnavailableError
from ..interfaces import IIssuer, IOAuthStore, ISelfCheck
from . import pages
from .audit import build_teller
from .clients import ClientRegistry, IClientRegistry
from .cors import Origins
from .directives import IAddedGrants, IResourceOwner
from .embedded import EmbeddedIssuer
from .endpoints import ENDPOINTS
from .events import build_notifier
from .grants import GRANTS
from .key_making import KeyMaker
from .keys import IKeyRegistry, KeyRegistry
from .limits import build_limits
from .registration import DEVICE_CODE, OWNED_GRANTS, USER_GRANTS
from .route_order import take_place
from .self_check import check_server
from .service import GrantEntry, IService, Service, build_pepper, build_store
from .settings import ServerSettings, parse_settings
from .signing import KeyPolicy, KeyRing
from .tokens import TokenMaker

__all__ = ["add_endpoints", "build_service", "start"]

log = logging.getLogger("pyramid_oauthguard.server")
# What a client may be registered for, also while its grant is off.
_REGISTRABLE = frozenset({"client_credentials", "authorization_code", "refresh_token", DEVICE_CODE})


def add_endpoints(config: Any) -> None:
    """Read the settings and add the routes and views."""
    settings = _read_settings(config.registry)
    if USER_GRANTS.intersection(settings.grants):
        pages.include(config, settings)
    for endpoint in ENDPOINTS:
        endpoint.include(config, settings)
    take_place(config)


def start(config: Any) -> None:
    """Open the store, read or make the pepper and the first signing key, and register what others look up.

    :raises SettingError: the pepper or the database can't be used.
    """
    registry = config.registry
    service, issuer = build_service(registry, _read_settings(registry))
    registry.registerUtility(service, IService)
    registry.registerUtility(issuer, IIssuer, name=issuer.identifier)
    grants = _REGISTRABLE | frozenset(_find_grants(registry))
    clients = ClientRegistry(service.store, service.pepper, grants=grants, tell=service.tell)
    registry.registerUtility(clients, IClientRegistry)
    registry.registerUtility(check_server, ISelfCheck, name="server")
    try:
        service.keys.find_signer()
    except UnavailableError as error:
        log.warning("no signing key yet, will be asked for again at the first token: %s", error)


def build_service(registry: Any, settings: ServerSettings) -> tuple[Service, EmbeddedIssuer]:
    """Put the parts together, with the issuer that a guard in this process asks."""
    issuer = EmbeddedIssuer(settings.issuer)
    tell = build_teller(build_notifier(registry, first=issuer.hear))
    own = registry.queryUtility(IOAuthStore)
    pepper = build_pepper(settings, own_store=own is not None)
    store = build_store(settings) if own is None else own
    maker, policy = KeyMaker(pepper), KeyPolicy.of(settings)
    registry.registerUtility(KeyRegistry(store, maker, policy, tell=tell), IKeyRegistry)
    keys = KeyRing(store, maker, policy, tell=tell)
    grants = _find_grants(registry)
    service = Service(
        settings=settings,
        store=store,
        pepper=pepper,
        keys=keys,
        tokens=TokenMaker(settings, keys, pepper),
        grants={name: grants[name] for name in settings.grants},
        owner=registry.queryUtility(IResourceOwner),
        tell=tell,
        limits=build_limits(settings, pepper.derive_key("limits").hex()),
        origins=Origins(store),
    )
    issuer.service = service
    return service, issuer


def _find_grants(registry: Any) -> Mapping[str, GrantEntry]:
    """The grants that can be on. Nobody can allow a client anything where the application knows no users."""
    owner = registry.queryUtility(IResourceOwner)
    off = frozenset() if hasattr(owner, "user") and hasattr(owner, "sign_in") else OWNED_GRANTS
    built_in = {name: grant for name, grant in GRANTS.items() if name not in off}
    return {**built_in, **(registry.queryUtility(IAddedGrants) or {})}


def _read_settings(registry: Any) -> ServerSettings:
    return parse_settings(registry.settings, known_grants=frozenset(_find_grants(registry)))
