"""The language of the pages for users, and dates as people write them there.

The first of these that there is a catalogue for: what the application's locale negotiator returns, what the client asked
for (``ui_locales``, OpenID Connect Core 1.0 section 3.1.2.1), what the browser prefers (``Accept-Language``), the default
of the application. English needs no catalogue.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from pyramid.i18n import default_locale_negotiator
from pyramid.interfaces import ILocaleNegotiator, ITranslationDirectories
from pyramid.registry import Registry
from pyramid.request import Request

from ...errors import SettingError
from ..http.parameters import drop_unread_body
from ..request_headers import check_headers
from ..service import find_service
from ..settings import PREFIX

__all__ = [
    "add_catalogues",
    "check_languages",
    "format_date",
    "format_moment",
    "is_right_to_left",
    "prefer_languages",
    "settle_language",
    "translate",
]

#: The domain of the catalogues.
DOMAIN: Final = "pyramid_oauthguard"
#: The language of the texts in the templates.
_SOURCE: Final = "en"
_OURS: Final = str(Path(__file__).parent.parent / "locale")
_MAX_TAGS: Final = 20
#: Tags have at most 35 characters, as a rule (RFC 5646 section 4.4.1). The look-up of a long one would cost quadratic time.
_LONGEST_TAG: Final = 100


def add_catalogues(registry: Registry) -> None:
    """Let the application's catalogues come before ours: a text that it translates is never replaced."""
    folders = registry.queryUtility(ITranslationDirectories)
    if folders is None:
        folders = []
        registry.registerUtility(folders, ITranslationDirectories)
    folders[:] = [_OURS, *(folder for folder in folders if folder != _OURS)]  # Pyramid lets the last one win


def check_languages(registry: Registry, languages: Iterable[str] | None) -> None:
    """Check the setting ``pages.languages`` once all catalogues are known.

    :raises SettingError: there is no catalogue for one of them.
    """
    found = _list_catalogues(registry)
    for name in languages or ():
        if name not in found:
            known = ", ".join(sorted(found))
            raise SettingError(
                f"{PREFIX}.pages.languages",
                f"there is no catalogue for {name!r}; there are {known}",
                "add one with config.add_translation_dirs, as the page about languages says",
            )


def prefer_languages(request: Request, tags: str | None) -> None:
    """Take note of the languages that the client asked for.

    :param tags: the parameter ``ui_locales``: language tags (RFC 5646), separated by spaces.
    """
    request.oauthguard_ui_locales = (tags or "").split(" ")[:_MAX_TAGS]


def settle_language(request: Request) -> str:
    """Find the language of this request's pages, once, and set ``locale_name`` to it.

    Only a language that has a catalogue: Pyramid opens files by the name and never releases what it keeps for each name,
    so callers could fill the memory with invented names.
    """
    settled: str | None = request.__dict__.get("oauthguard_language")
    if settled is None:
        offered = _list_offered(request)
        matches = (_match(tag, offered) for tag in _list_wanted(request))
        settled = next((name for name in matches if name is not None), None) or _choose_default(request, offered)
        request.oauthguard_language = request.locale_name = settled
        request.__dict__.pop("localizer", None)  # it may be there already, for another language
    return settled


def translate(request: Request, text: str) -> str:
    """A text of the settings, such as what a scope means, in the language of the page; unchanged if no catalogue
    contains it."""
    settle_language(request)
    translated: str = request.localizer.translate(text, domain=DOMAIN)
    return translated


def format_date(request: Request, moment: float) -> str:
    """The day (UTC) of a moment in seconds since the epoch, such as ``May 3, 2026``."""
    from babel.dates import format_date

    locale = _load_locale(settle_language(request))
    if locale is None:
        return time.strftime("%Y-%m-%d", time.gmtime(moment))
    return format_date(_as_datetime(moment), format="long", locale=locale)


def format_moment(request: Request, moment: float) -> str:
    """A moment in seconds since the epoch, to the second and in UTC."""
    from babel.dates import format_datetime

    locale = _load_locale(settle_language(request))
    if locale is None:
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(moment))
    return format_datetime(_as_datetime(moment), format="medium", locale=locale) + " UTC"


def is_right_to_left(name: str) -> bool:
    """Whether this language is written from right to left."""
    locale = _load_locale(name)
    return locale is not None and locale.text_direction == "rtl"


def _list_wanted(request: Request) -> Iterator[str]:
    yield from _ask_application(request)
    yield from request.__dict__.get("oauthguard_ui_locales", ())
    # WebOb's own look-up would compare with a default; its parsed header is empty if the header is malformed.
    preferred: Iterable[tuple[str, float]] = getattr(request.accept_language, "parsed", None) or ()
    ranked = sorted(preferred, key=lambda each: -each[1])[:_MAX_TAGS]
    yield from (tag for tag, quality in ranked if quality > 0)


def _ask_application(request: Request) -> list[str]:
    """What the locale negotiator returns, as a list. Pyramid's own reads parameters and cookies."""
    negotiate = request.registry.queryUtility(ILocaleNegotiator, default=default_locale_negotiator)
    drop_unread_body(request)
    try:
        check_headers(request.environ)  # not done yet where no route was found
        wanted = negotiate(request)
        return [] if wanted is None else [str(wanted)]
    except Exception:  # noqa: BLE001  # one that reads malformed parameters fails: a page is better than a traceback
        return []


def _choose_default(request: Request, offered: dict[str, str]) -> str:
    """The default of the application if the pages can be in it; otherwise English, or the first language that the setting names."""
    default: str = request.registry.settings.get("pyramid.default_locale_name", _SOURCE)
    if _match(default, offered) is not None:
        return default
    return _SOURCE if _SOURCE in offered else next(iter(offered.values()))


def _match(tag: str, offered: dict[str, str]) -> str | None:
    """The language for a tag: itself, or without its region or script (RFC 4647 section 3.4)."""
    if len(tag) > _LONGEST_TAG:
        return None
    wanted = tag.replace("-", "_").lower()
    while wanted:
        if wanted in offered:
            return offered[wanted]
        wanted = wanted.rpartition("_")[0]
    return None


def _list_offered(request: Request) -> dict[str, str]:
    """The languages that a page may have, by their names in lower case."""
    chosen = find_service(request).settings.pages.languages
    found = _list_catalogues(request.registry) if chosen is None else chosen
    return {name.lower(): name for name in found}


def _list_catalogues(registry: Registry) -> frozenset[str]:
    """The languages that have a catalogue of any domain. Looked up once, because Pyramid reads a catalogue only once,
    too."""
    found: frozenset[str] | None = registry.__dict__.get("oauthguard_languages")
    if found is None:
        add_catalogues(registry)  # again: with autocommit the application's own are added later
        folders = registry.getUtility(ITranslationDirectories)
        catalogues = (path for folder in folders for path in Path(folder).glob("*/LC_MESSAGES"))
        found = registry.oauthguard_languages = frozenset({_SOURCE, *(path.parent.name for path in catalogues)})
    return found


def _load_locale(name: str) -> Any:
    """Babel's data about a language, or None for a language that it does not know."""
    from babel import Locale, UnknownLocaleError

    try:
        return Locale.parse(name)
    except (UnknownLocaleError, ValueError):
        return None


def _as_datetime(moment: float) -> Any:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(moment, UTC)
