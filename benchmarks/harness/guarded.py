"""The same application under the guard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pyramid.config import Configurator

from pyramid_oauthguard.interfaces import Credential, ICredentialVerifier
from pyramid_oauthguard.testing import trust

from .wsgi import WSGIApplication, add_view

__all__ = ["CLAIMS", "build_guarded", "build_verifier"]

#: Nine claims, with iss, sub, aud, client_id, iat, exp and jti; good for as long as the benchmark may take.
CLAIMS: Final[Mapping[str, Any]] = {
    "scope": "customer_api read:messages",
    "auth_time": 1_780_000_000,
    "exp": 4_000_000_000,
}


def build_guarded(settings: Mapping[str, Any], issuer: Any = None, **options: Any) -> WSGIApplication:
    """The view under the guard. ``options`` are those of the view, ``token_check="local"`` and the ACL by default.

    :param issuer: an issuer in this process, or None to ask the one of the settings over HTTP.
    """
    config = Configurator(settings=dict(settings))
    config.include("pyramid_oauthguard")
    add_view(config, **(options or {"token_check": "local", "permission": "read"}))
    application = config.make_wsgi_app()
    if issuer is not None:
        trust(application, issuer)
    return application


def build_verifier(mode: str, settings: Mapping[str, Any], issuer: Any = None) -> Any:
    """The guard's verifier alone, as ``verify(raw)``."""
    registry = build_guarded(settings, issuer).registry  # type: ignore[attr-defined]
    verify = registry.getUtility(ICredentialVerifier, name=mode).verify
    return lambda raw: verify(Credential("Bearer", raw, "argument"))
