"""An application that an ini file can name: `use = call:tests.server.ini_application:main`."""

from __future__ import annotations

from typing import Any

from pyramid.config import Configurator


def main(_global_config: Any, **settings: str) -> Any:
    config = Configurator(settings=settings)
    if settings.get("include", "pyramid_oauthguard.server"):
        config.include(settings.get("include", "pyramid_oauthguard.server"))
    return config.make_wsgi_app()
