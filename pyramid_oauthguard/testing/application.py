"""Making a real application accept the tokens of an issuer in memory."""

from __future__ import annotations

from typing import Any, Final

from ..errors import SettingError
from ..interfaces import IIssuer
from ..issuers.template import IssuerTemplate
from ..settings import as_list
from .issuer import MemoryIssuer
from .keys import KINDS

__all__ = ["trust"]

_WRAPPERS: Final = ("app", "application", "wsgi_app")  # WebTest's name and the usual names of middleware


def trust(app: Any, issuer: MemoryIssuer | None = None) -> MemoryIssuer:
    """Let ``app`` take keys and introspection from ``issuer`` instead of the network.

    :param app: a Pyramid application, its registry or Configurator, or an object that wraps one (WebTest's TestApp,
        middleware that keeps what it wraps as ``app`` or ``application``).
    :param issuer: by default, a new issuer that fits the application's settings; of several issuers, the first. Call it once
        for each issuer otherwise.
    :returns: the issuer.
    :raises SettingError: the application is not configured for this issuer.

    Everything else of the guard is as in production: signatures, claims, scopes, caches. Call it before the
    first request: the guard looks for its issuer once.
    """
    registry = _require_registry(app)
    settings = registry.settings or {}
    identifiers = _list_identifiers(settings)
    if not identifiers:
        raise SettingError("oauthguard.issuer", "is required", "without it the application has no guard")
    if issuer is None:
        issuer = _build_issuer(identifiers[0], settings)
    elif not any(_is_same(issuer.identifier, each) for each in identifiers):
        known = " or ".join(map(repr, identifiers))
        text = f"is {known}, the issuer to trust is {issuer.identifier!r}"
        raise SettingError("oauthguard.issuer", text, "make them equal")
    registry.registerUtility(issuer, IIssuer, name=issuer.identifier)
    return issuer


def _list_identifiers(settings: Any) -> list[str]:
    """The identifiers of all issuers, the plain one first."""
    names = as_list(settings.get("oauthguard.issuers") or "")
    keys = ["oauthguard.issuer", *(f"oauthguard.issuers.{name}.issuer" for name in names)]
    found = [str(settings.get(key) or "").strip() for key in keys]
    return [identifier for identifier in found if identifier]


def _is_same(identifier: str, configured: str) -> bool:
    """Whether an issuer is the configured one, or a tenant of it."""
    if identifier == configured or "{" not in configured:
        return identifier == configured
    return IssuerTemplate.parse(configured, None).find_value(identifier) is not None


def _require_registry(app: Any) -> Any:
    layer = app
    for _depth in range(20):
        if hasattr(layer, "registerUtility"):
            return layer
        if hasattr(layer, "registry"):
            return layer.registry
        layer = next((getattr(layer, name) for name in _WRAPPERS if hasattr(layer, name)), None)
    raise TypeError(f"no Pyramid application inside {type(app).__name__}: pass the application itself or its registry")


def _build_issuer(identifier: str, settings: Any) -> MemoryIssuer:
    audiences = as_list(settings.get("oauthguard.audience") or "https://api.test")
    clients = as_list(settings.get("oauthguard.client_id") or "test-client")
    algorithms = as_list(settings.get("oauthguard.algorithms") or "RS256")
    usable = [name for name in algorithms if name in KINDS]
    return MemoryIssuer(
        identifier,
        audience=audiences[0],
        algorithm="RS256" if "RS256" in usable else (usable or ["RS256"])[0],
        client_id=clients[0],
    )
