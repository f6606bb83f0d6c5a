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
#: Browsers send about a hundred. The look-up of more costs time that grows with the square of its length.
_MOST_CHARACTERS: Final = 1_000


def includeme(config: Configurator) -> None:
    """Add the catalogues."""
    config.add_settings({"jinja2.i18n.domain": _DOMAIN})
    config.add_translation_dirs("example_app:locale/")


def choose_language(request: Request) -> str:
    """Let the templates of this request be in the language that the browser prefers. Call it before a text is translated."""
    language: str = _LANGUAGES[0]
    if len(request.environ.get("HTTP_ACCEPT_LANGUAGE", "")) <= _MOST_CHARACTERS:
        language = request.accept_language.lookup(_LANGUAGES, default=language)
    request.locale_name = language
    return language
