"""The language of the pages that people pass on their way to the authorization server: the browser's, where there is a
catalogue of it.

The catalogues `pyramid_oauthguard` in `locale/` are for that server's pages: they translate what the scopes mean.
"""

from __future__ import annotations

from typing import Final

from pyramid.config import Configurator
from pyramid.request import Request

__all__ = ["choose_language"]

_DOMAIN: Final = "example_app"
#: The language of the templates, which needs no catalogue, and those in `locale/`.
_LANGUAGES: Final = ("en", "de", "fr", "ja")


def includeme(config: Configurator) -> None:
    """Add the catalogues."""
    config.add_settings({"jinja2.i18n.domain": _DOMAIN})
    config.add_translation_dirs("example_app:locale/")


def choose_language(request: Request) -> str:
    """Let the templates of this request be in the language that the browser prefers. Call it before a text is translated."""
    language: str = request.accept_language.lookup(_LANGUAGES, default=_LANGUAGES[0])
    request.locale_name = language
    return language
