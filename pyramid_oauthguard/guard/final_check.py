"""Checks of the complete application: it does not start if requests would later be refused or accepted by mistake."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from pyramid.config import Configurator
from pyramid.interfaces import (
    IApplicationCreated,
    IAuthenticationPolicy,
    IRequestFactory,
    ISecuredView,
    ISecurityPolicy,
    IView,
)
from pyramid.registry import Registry
from pyramid.security import NO_PERMISSION_REQUIRED

from ..errors import SettingError
from ..interfaces import ICredentialVerifier, IIssuer
from .browsers.csrf import check_protection
from .cache_secret import check_caches
from .paths.placement import check_places
from .paths.tokens_under import find_tokens_under
from .policy import OAuthSecurityPolicy
from .reports.network_report import is_fetchable
from .requests import makes_guarded
from .requirements import is_for
from .settings import SWITCHES, GuardSettings, is_on
from .state import get_guard
from .verifiers.chosen import ChosenVerifier

__all__ = ["build_check", "check_application", "describe_foreign_policy", "is_for_tests"]

#: After every action of the application.
_LAST: Final = 1_000
_CREATED: Final = (IApplicationCreated,)
#: Not imported: applications do not load it.
_FOR_TESTS: Final = ("pyramid.testing", "DummySecurityPolicy")


def check_application(config: Configurator) -> None:
    """Check at the commit, and again when the WSGI application is made: more may have been configured in between."""
    registry = config.registry
    read = {name: is_on(registry.settings, name, default) for name, default in SWITCHES.items()}

    def check() -> None:
        settings = get_guard(registry).settings
        for name, value in read.items():
            if getattr(settings, name) != value:
                raise SettingError(f"oauthguard.{name}", "was changed after the guard was included", "set it before")
        _check(registry)

    config.action(("oauthguard", "check"), check, order=_LAST)
    config.add_tween(f"{__name__}.build_check")
    config.action(("oauthguard", "created"), registry.registerHandler, (_check_created, _CREATED))


def build_check(handler: Callable[[Any], Any], registry: Registry) -> Callable[[Any], Any]:
    """Not a real tween: it returns the handler unchanged. Pyramid calls it when everything is configured."""
    _check(registry)
    return handler


def _check_created(event: Any) -> None:
    """Check the caches when the application is created. A commit is too early: a later one may add an authorization server,
    which has the secret. The tween may be missing: ``pyramid.tweens`` may leave it out."""
    registry = event.app.registry
    registry.unregisterHandler(_check_created, _CREATED)
    # Pyramid sends events for each request while any listener is registered, which costs a third of a small request.
    registry.has_listeners = any((*registry.registeredHandlers(), *registry.registeredSubscriptionAdapters()))
    for issuer in get_guard(registry).settings.list_issuers():
        check_caches(registry, issuer)


def is_for_tests(policy: Any) -> bool:
    """Whether a policy is that of ``config.testing_securitypolicy``, which a test puts in the place of the guard's on purpose."""
    return any((each.__module__, each.__name__) == _FOR_TESTS for each in type(policy).__mro__)


def describe_foreign_policy(registry: Registry, found: Any) -> SettingError:
    """The error of an application whose own security policy replaces the guard's."""
    kind, set_by = type(found), registry.introspector.get("security policy", None)
    name = "None" if found is None else f"{kind.__module__}.{kind.__qualname__}"
    hint = "set oauthguard.policy = off and compose the two with TokensUnder, or remove the other policy"
    if registry.queryUtility(IAuthenticationPolicy) is not None or hasattr(found, "get_policies"):
        hint = "set oauthguard.policy = off, and make OAuthAuthenticationPolicy one of the application's authentication policies"
    return SettingError(
        "oauthguard.policy",
        f"the application has another security policy, {name}, which replaces that of pyramid_oauthguard",
        hint,
        at=getattr(set_by, "action_info", None),
    )


def _check(registry: Registry) -> None:
    settings = get_guard(registry).settings
    policy = registry.queryUtility(ISecurityPolicy)
    if settings.policy and not (isinstance(policy, OAuthSecurityPolicy) or is_for_tests(policy)):
        raise describe_foreign_policy(registry, policy)
    if not makes_guarded(registry.queryUtility(IRequestFactory)):
        raise SettingError(
            "set_request_factory",
            "was called after the commit of the guard, so its requests have no access token",
            "set the request factory before the first commit",
        )
    for issuer in settings.list_issuers():
        _check_modes(registry, issuer)
    check_protection(registry, settings.list_issuers())
    for view in _find_hidden(registry):
        raise SettingError(
            f"{view.__module__}.{view.__name__}",
            "is guarded, but the open view registered for the same place in another commit answers instead of it",
            "register one of the two, or both in one commit",
            at=_find_place(registry, view),
        )

    composed = find_tokens_under(registry)
    if composed is not None:
        check_places(registry, composed)
    for view in _find_unguarded(registry) if settings.policy or composed is not None else ():
        raise SettingError(
            f"{view.__module__}.{view.__name__}",
            "has a permission that is never checked: it was registered before there was a policy",
            "include pyramid_oauthguard before the first commit",
            at=_find_place(registry, view),
        )


def _check_modes(registry: Registry, issuer: GuardSettings) -> None:
    """Check that the issuer can be asked in each mode that a view wants."""
    remote = _find_view(registry, issuer, "remote")
    if remote is not None and not _can_introspect(registry, issuer):
        raise _describe_missing_client(registry, issuer, at=getattr(remote, "action_info", None))
    if remote is not None and not _can_find_introspection(registry, issuer):
        raise SettingError(
            issuer.name_key("introspection.endpoint"),
            f"is required: a view is checked remotely, and {issuer.issuer} is not an address that has metadata",
            f"or set {issuer.name_key('metadata_url')}",
            at=getattr(remote, "action_info", None),
        )
    if remote is not None and issuer.introspection_signed == "auto" and not is_fetchable(issuer):
        raise SettingError(
            issuer.name_key("introspection.signed"),
            f"is auto, and {issuer.issuer} is not an address that has metadata, which say whether answers are signed",
            "write required or off",
        )
    view = _find_view(registry, issuer, "userinfo")
    if view is not None and not issuer.userinfo_any_client and _is_ours(registry, "userinfo"):
        raise SettingError(
            issuer.name_key("userinfo.any_client"),
            "must be true: a view is checked by userinfo",
            "its tokens may be of any client of the issuer; they give a user: principal and nothing else",
            at=getattr(view, "action_info", None),
        )


def _describe_missing_client(registry: Registry, settings: GuardSettings, *, at: Any) -> SettingError:
    """The setting that a remote check needs. With an authorization server in this process, the issuer is probably misspelled."""
    near = [name for name, _issuer in registry.getUtilitiesFor(IIssuer)]
    if near:
        text = f"is {settings.issuer}, and a view is checked remotely; the server in this process is {' '.join(near)}"
        hint = f"make them equal, byte for byte, or set {settings.name_key('introspection.client_id')}"
        return SettingError(settings.name_key("issuer"), text, hint, at=at)
    hint = (
        f"or set {settings.name_key('introspection.auth_method')} = none for an endpoint without client authentication"
    )
    if settings.issuer_name is not None:
        hint += ", or name the issuers that the view is for: token_issuer"
    return SettingError(
        settings.name_key("introspection.client_id"), "is required: a view is checked remotely", hint, at=at
    )


def _find_view(registry: Registry, settings: GuardSettings, mode: str) -> Any:
    """The introspectable of a view that checks tokens of this issuer in ``mode``; the settings if that is the default mode."""
    if settings.token_check == mode:
        return settings
    views = (each["introspectable"] for each in registry.introspector.get_category("views", []))
    found = (view for view in views if view.get("token_check") == mode)
    return next((view for view in found if is_for(view.get("token_issuer"), settings.issuer_name)), None)


def _is_ours(registry: Registry, mode: str) -> bool:
    return isinstance(registry.queryUtility(ICredentialVerifier, name=mode), ChosenVerifier)


def _find_place(registry: Registry, view: Any) -> Any:
    """The call that registered a derived view, or None."""
    views = (each["introspectable"] for each in registry.introspector.get_category("views", []))
    return next((each.action_info for each in views if each.get("derived_callable") is view), None)


def _can_introspect(registry: Registry, settings: GuardSettings) -> bool:
    if settings.introspection_client_id or settings.introspection_auth_method in ("none", "bearer"):
        return True
    if _is_ours(registry, "remote"):
        return registry.queryUtility(IIssuer, name=settings.issuer) is not None
    return True


def _can_find_introspection(registry: Registry, settings: GuardSettings) -> bool:
    if settings.introspection_endpoint or settings.template is not None or is_fetchable(settings):
        return True
    if _is_ours(registry, "remote"):
        return registry.queryUtility(IIssuer, name=settings.issuer) is not None
    return True


def _find_unguarded(registry: Registry) -> Iterator[Any]:
    """Views with a permission that Pyramid derived without a policy, and so without a check."""
    for each in registry.introspector.get_category("permissions", []):
        wanted = each["introspectable"].discriminator != NO_PERMISSION_REQUIRED
        for view in [related.get("derived_callable") for related in each["related"]] if wanted else ():
            if view is not None and not hasattr(view, "__permitted__"):
                yield view


def _find_hidden(registry: Registry) -> Iterator[Any]:
    """Secured views with an open view in the same place, which Pyramid's look-up finds first."""
    find = registry.adapters.registered
    for each in registry.registeredAdapters():
        if each.provided is ISecuredView and find(each.required, IView, each.name) is not None:
            view = find(each.required, ISecuredView, each.name)
            if view is not None:
                yield view
