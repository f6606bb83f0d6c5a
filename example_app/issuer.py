"""The authorization server half: people sign in here, programs get their tokens here."""

from __future__ import annotations

from pyramid.config import Configurator

from .problems import add_resource
from .resource_owner import ResourceOwner

__all__: list[str] = []


def includeme(config: Configurator) -> None:
    """Embed the authorization server and serve the pages it needs."""
    config.include("pyramid_oauthguard.server")
    config.set_resource_owner(ResourceOwner(config.registry))
    config.include(".sessions")
    add_resource(config, "sign_in", "/sign-in", "GET", "HEAD", "POST")
    add_resource(config, "sign_out", "/sign-out", "POST")
    config.scan(".views.sign_in")
