"""The settings of the guard: the table of ``oauthguard.*`` keys, and what they are parsed into."""

from __future__ import annotations

from .named import inherit, split_tables
from .parsed import GuardSettings
from .reading import is_on, parse_settings
from .table import (
    CACHES,
    CLIENT_CLAIMS,
    KEY_LIFETIME_SECONDS,
    MIN_CACHE_SECRET_CHARACTERS,
    OF_APPLICATION,
    PREFIX,
    SWITCHES,
    TABLE,
    is_inherited,
)

__all__ = [
    "CACHES",
    "CLIENT_CLAIMS",
    "KEY_LIFETIME_SECONDS",
    "MIN_CACHE_SECRET_CHARACTERS",
    "OF_APPLICATION",
    "PREFIX",
    "SWITCHES",
    "TABLE",
    "GuardSettings",
    "inherit",
    "is_inherited",
    "is_on",
    "parse_settings",
    "split_tables",
]
