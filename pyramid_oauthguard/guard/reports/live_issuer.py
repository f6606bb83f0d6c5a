"""The issuer of an application as it answers now, for ``oauthguard check`` and ``oauthguard explain``."""

from __future__ import annotations

from typing import Any

from pyramid.registry import Registry

from ...interfaces import IIssuer
from ...issuers.http_issuer import build_http_issuer
from ..settings import GuardSettings

__all__ = ["build_live_issuer"]


def build_live_issuer(registry: Registry, settings: GuardSettings) -> Any:
    """The issuer that is registered, or one over HTTP. No cache of the application is read or written."""
    found = registry.queryUtility(IIssuer, name=settings.issuer)
    return found or build_http_issuer(settings.build_issuer_settings())
