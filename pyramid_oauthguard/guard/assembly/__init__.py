"""The parts put together at start-up."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable
from typing import Any, Final

from pyramid.config import Configurator
from pyramid.interfaces import PHASE0_CONFIG, PHASE2_CONFIG, ISecurityPolicy
from pyramid.registry import Registry

from ...interfaces import ICredentialCheck, ICredentialVerifier, ITokenRequirement, ITokensOnPages
from ...issuers.registry import Issuer, IssuerRegistry
from ...issuers.template import IssuerTemplate
from ..credentials.elsewhere import build_sources
from ..final_check import describe_foreign_policy, is_for_tests
from ..once import build_once
from ..policy import OAuthSecurityPolicy
from ..requirements import require_client
from ..resources.table import Resource, ResourceTable, build_metadata_url, check_audiences, list_declared
from ..settings import SWITCHES, GuardSettings, is_on, parse_settings
from ..state import Guard, get_guard
from ..verifiers import RANKS
from ..verifiers.chosen import ChosenVerifier, Verifiers
from ..verifiers.tenants import Tenants
from .issuer_parts import build_modes, build_parts

__all__ = ["assemble", "install_policy"]

#: Applications set their policy in PHASE2, and views look for it in PHASE3.
_POLICIES_ARE_SET: Final = PHASE2_CONFIG + 1


def assemble(config: Configurator) -> None:
    """Parse the settings after the application could change them, and build the guard from them."""
    registry = config.registry

    def build() -> None:
        declared = list_declared(registry)
        identifiers = tuple(each.identifier for each in declared if each.identifier)
        settings = parse_settings(registry.settings).add_audiences(identifiers)
        guard = registry.oauthguard = Guard(registry, settings, _build_resources(settings, declared))
        registry.registerUtility(build_once(settings), ITokenRequirement, name="once")
        registry.registerUtility(guard.authenticator.verify_at, ICredentialCheck)
        if not settings.is_plain:  # the application's own requirements are registered later
            client = functools.partial(require_client, name=guard.name_client)
            registry.registerUtility(client, ITokenRequirement, name="client")
        issuers = IssuerRegistry([_build_issuer(registry, each) for each in settings.list_issuers()])
        sources = {each.issuer_name: each.token_source for each in settings.list_issuers()}
        registry.oauthguard_sources = build_sources(itertools.chain(*sources.values()), settings.trusted_proxies)
        is_usual = registry.oauthguard_sources is None
        if not is_usual:
            registry.registerUtility(guard.authenticator.ignore_elsewhere, ITokensOnPages)
        memory = sum(each.cache_tokens_size for each in settings.list_issuers())
        for mode in RANKS:
            if registry.queryUtility(ICredentialVerifier, name=mode) is None:
                verifier = ChosenVerifier(issuers, mode, sources=None if is_usual else sources, memory=memory)
                registry.registerUtility(verifier, ICredentialVerifier, name=mode)

    config.action(("oauthguard", "guard"), build, order=PHASE0_CONFIG)


def _build_resources(settings: GuardSettings, declared: Iterable[Resource]) -> ResourceTable:
    audiences = {each.issuer_name: each.audience for each in settings.list_issuers()}
    own = itertools.chain.from_iterable(audiences.values())
    check_audiences((*own, *settings.resource_audiences, *filter(None, (settings.resource,))))
    whole = Resource(
        segments=(),
        identifier=settings.resource,
        metadata_url=build_metadata_url(settings.resource)
        if settings.resource and settings.resource_metadata
        else None,
        name=settings.resource_name,
        documentation=settings.resource_documentation,
    )
    return ResourceTable(whole, declared, audiences)


def install_policy(config: Configurator) -> None:
    """Register the security policy; an application's own policy would take precedence silently, so the application must set it on purpose."""
    registry = config.registry
    if not is_on(registry.settings, "policy", SWITCHES["policy"]):
        return
    what = config.introspectable("security policy", None, "pyramid_oauthguard's security policy", "security policy")
    included_at = config.action_info

    def register() -> None:
        found = registry.queryUtility(ISecurityPolicy)
        if found is None:
            what["policy"] = OAuthSecurityPolicy(get_guard(registry))
            registry.registerUtility(what["policy"], ISecurityPolicy)
            what.register(config.introspector, included_at)
        elif not isinstance(found, OAuthSecurityPolicy) and not is_for_tests(found):
            raise describe_foreign_policy(registry, found)

    # A discriminator of its own, after those of all others: Pyramid would only say that two packages are in conflict.
    config.action(("oauthguard", "policy"), register, order=_POLICIES_ARE_SET)


def _build_issuer(registry: Registry, settings: GuardSettings) -> Issuer[Any]:
    """One issuer of the settings. For a template, its tenants."""
    template = settings.template
    parts: Any = (
        _build_verifiers(registry, settings) if template is None else _build_tenants(registry, settings, template)
    )
    return Issuer(settings.issuer_name, settings.issuer, parts, template, settings.token_prefix)


def _build_tenants(registry: Registry, settings: GuardSettings, template: IssuerTemplate) -> Tenants:
    if not settings.shares_keys:
        return Tenants(settings, template, lambda tenant: _build_verifiers(registry, tenant))
    parts = build_parts(registry, settings)
    return Tenants(settings, template, lambda tenant: build_modes(tenant, parts), introspector=parts.introspector)


def _build_verifiers(registry: Registry, settings: GuardSettings) -> Verifiers:
    return build_modes(settings, build_parts(registry, settings))
