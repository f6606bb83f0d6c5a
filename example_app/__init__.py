"""The customers API, an example to copy from: it shows both halves of pyramid_oauthguard.

The ini decides what runs. With ``oauthguard.*`` settings it is the API (``example_app.api``), with
``oauthguard.server.*`` settings an authorization server (``example_app.issuer``), with both it is both in one process.
"""

from __future__ import annotations

from typing import Any

from pyramid.config import Configurator

__all__ = ["main"]

_SERVER = "oauthguard.server."
_GUARD = "oauthguard."


def main(global_config: Any, **settings: Any) -> Any:
    """Build the WSGI application out of the ini's ``[app:main]``.

    :raises pyramid_oauthguard.SettingError: (wrapped by Pyramid) naming the setting that is missing or wrong.
    """
    server = any(key.startswith(_SERVER) for key in settings)
    guard = any(key.startswith(_GUARD) and not key.startswith(_SERVER) for key in settings)
    with Configurator(settings=settings) as config:
        config.include(".database")
        config.include(".problems")
        if server:
            config.include(".issuer")
        # With neither, the guard says which setting is missing.
        if guard or not server:
            config.include(".api")
        config.include(".demo")
        return config.make_wsgi_app()
