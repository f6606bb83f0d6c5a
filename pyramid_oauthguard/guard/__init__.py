"""The resource server (RFC 6749 section 1.1): ``config.include("pyramid_oauthguard")``."""

from __future__ import annotations

from typing import Any

from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.viewderivers import INGRESS

from .. import health
from ..includes import name_include
from ..interfaces import IHealthProbes, ISelfCheck, ITokenRequirement
from ..logs import install
from .assembly import assemble, install_policy
from .browsers.csrf import is_exempt
from .browsers.preflights import tween_factory
from .directives import add_protected_resource, add_token_requirement, set_token_verifier
from .final_check import check_application
from .late_views import add_late_views
from .outcome import TokenOutcome
from .paths.required import refuse_open_view
from .paths.tokens_under import TokensUnder, find_tokens_under
from .policy import OAuthAuthenticationPolicy, OAuthSecurityPolicy, explain_denial
from .reports.probes import list_probes
from .requests import add_request_attribute
from .requirements import BUILT_IN
from .resource_metadata import add_metadata
from .self_check import judge_guard
from .settings import SWITCHES, is_on
from .state import require_guard
from .token_check import TokenCheckPredicate, bind_view, guard_view, require

__all__ = [
    "OAuthAuthenticationPolicy",
    "OAuthSecurityPolicy",
    "TokenOutcome",
    "TokensUnder",
    "csrf_callback",
    "forbidden_view",
    "includeme",
    "require",
]


def includeme(config: Configurator) -> None:
    """Guard an application: settings, policy, predicate, derivers, directives, forbidden view."""
    install()
    config = name_include(config)
    assemble(config)
    config.add_directive("add_protected_resource", add_protected_resource)
    config.add_directive("add_token_requirement", add_token_requirement)
    config.add_directive("set_token_verifier", set_token_verifier)
    for name, factory in BUILT_IN.items():
        config.registry.registerUtility(factory, ITokenRequirement, name=name)
    config.registry.registerUtility(judge_guard, ISelfCheck, name="guard")
    config.registry.registerUtility(list_probes, IHealthProbes, name="guard")
    config.include(health)
    config.add_view_predicate("token_check", TokenCheckPredicate)
    config.add_view_deriver(bind_view, "oauthguard_bind", under=INGRESS, over="secured_view")
    config.add_view_deriver(refuse_open_view, "oauthguard_require_under", under=INGRESS, over="oauthguard_bind")
    config.add_view_deriver(guard_view, "oauthguard_guard", under="secured_view", over="csrf_view")
    install_policy(config)
    add_request_attribute(config)
    if is_on(config.registry.settings, "resource_metadata", SWITCHES["resource_metadata"]):
        add_metadata(config)
    if config.registry.settings.get("oauthguard.cors_origins"):
        config.add_tween(f"{tween_factory.__module__}.tween_factory")
    add_late_views(config, forbidden_view)
    check_application(config)


def forbidden_view(context: Any, request: Request) -> Any:
    """A refusal of the guard as the answer it should be; an application's own forbidden view may call it."""
    return require_guard(request).challenger.handle_forbidden(explain_denial(context, request), request)


def csrf_callback(request: Request) -> bool:
    """For ``config.set_default_csrf_options(callback=csrf_callback)``: whether the request needs a CSRF token.

    One with a bearer token in Authorization does not: no browser adds that by itself (RFC 6750 section 5.2). A token in a
    cookie or in the header of a proxy does not count, and neither does ``oauthguard.csrf.bearer_exempt = off``. With
    :class:`TokensUnder` this holds under its prefixes only, because elsewhere the token is not who the caller is.
    """
    policy = find_tokens_under(request.registry)
    guard = request.registry.__dict__.get("oauthguard")
    exempt = is_exempt(request, None if guard is None else guard.settings)
    return not (exempt and (policy is None or policy.handles(request)))
