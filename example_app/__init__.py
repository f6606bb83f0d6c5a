"""The customers API, an example to copy from: it shows both halves of pyramid_oauthguard.

The ini decides what runs. With ``oauthguard.*`` settings it is the API (``example_app.api``), with
``oauthguard.server.*`` settings an authorization server (``example_app.issuer``), with both it is both in one process.
"""

from __future__ import annotations

from typing import Any

from pyramid.config import Configurator

from .parts import find_parts

__all__ = ["main"]


def main(global_config: Any, **settings: Any) -> Any:
    """Build the WSGI application out of the ini's ``[app:main]``.

    :raises pyramid_oauthguard.SettingError: (wrapped by Pyramid) naming the setting that is missing or wrong.
    """
    parts = find_parts(settings)
    with Configurator(settings=settings) as config:
        config.registry["example_app.parts"] = parts
        config.include(".database")
        config.include(".problems")
        if parts.server:
            config.include(".issuer")
        if parts.guard:
            config.include(".api")
        config.include(".demo")
        config.include(".pages")
        return config.make_wsgi_app()
