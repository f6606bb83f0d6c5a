"""The settings of the pages for users."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ...settings import Setting, as_list, as_str

__all__ = ["PAGE_ROWS", "PageSettings", "as_home", "take_pages"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PageSettings:
    """The values of :data:`PAGE_ROWS`."""

    name: str | None = None
    home: str = "/"
    stylesheet: str | None = None
    logo: str | None = None
    languages: tuple[str, ...] | None = None


def as_home(value: Any) -> str:
    """A path such as ``/account``, or a URL with ``https`` or ``http``."""
    text = as_str(value)
    if re.fullmatch(r"/(?![/\\])[!-\[\]-~]*", text):
        return text
    parts = urlsplit(text)
    if parts.scheme not in {"https", "http"} or not parts.netloc or not text.isprintable():
        raise ValueError(f"must be a path such as /account or a URL such as https://www.example.com/, not {value!r}")
    return text


def _as_languages(value: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.replace("-", "_") for name in as_list(value)))


PAGE_ROWS: tuple[Setting, ...] = (
    Setting("pages.name", as_str, None, "What users call your service: it is above the pages, in their titles, and the text for the logo."),
    Setting("pages.home", as_home, "/", "Where the way back on the pages leads: a path below the mount point of the application, or a URL."),
    Setting("pages.stylesheet", as_str, None, 'A style sheet that is loaded after that of the pages: a file, or an asset such as `myapp:static/oauth.css`. The page "Look and language" lists its variables. It is read at start-up.'),
    Setting("pages.logo", as_str, None, "An image above the pages: a file or an asset of at most 1 MiB; SVG, PNG, WebP, JPEG or GIF. It is read at start-up."),
    Setting("pages.languages", _as_languages, None, "The languages of the pages, such as `en de`. Without it, all that have a catalogue: `en`, `de`, `fr`, `ja`, and those of your `config.add_translation_dirs`."),
)  # fmt: skip  # one row a line reads as the table it is


def take_pages(values: Mapping[str, Any]) -> tuple[PageSettings, dict[str, Any]]:
    """The values of :data:`PAGE_ROWS`, and the values of the other rows."""
    mine = {row.field: values[row.field] for row in PAGE_ROWS}
    others = {name: value for name, value in values.items() if name not in mine}
    return PageSettings(**{name.removeprefix("pages_"): value for name, value in mine.items()}), others
