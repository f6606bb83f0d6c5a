"""The effective value of each setting, for each issuer, and where it comes from, for ``oauthguard settings``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ...settings import REQUIRED, Setting
from ..settings import OF_APPLICATION, PREFIX, TABLE, GuardSettings, inherit, split_tables
from ..state import get_guard

__all__ = ["EffectiveSetting", "list_effective"]

_MASK: Final = "***"
_FILE: Final = "_file"
#: Parts of keys whose values may be credentials, where the table knows no single keys: ``cache.jwks.arguments.password``.
_SECRET: Final = re.compile(r"password|secret|token|credential|passwd|auth", re.IGNORECASE)
_HEADERS: Final = "http.headers"
#: The user and password in a URL. A password may have @ and / in it: drivers split at the last @.
_USERINFO: Final = re.compile(r"//\S*@")
#: A credential in the query of a URL, as Redis and PostgreSQL have it.
_QUERY: Final = re.compile(r"([?&](?:\w*pass\w*|\w*secret\w*|\w*token\w*|pwd)=)[^&\s]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class EffectiveSetting:
    """One setting of one issuer, or of the application.

    :ivar value: as it is written in an ini file; secrets are masked.
    :ivar given: the key that gives the value; None for a default.
    """

    key: str
    value: str
    given: str | None


def list_effective(registry: Any) -> Iterator[EffectiveSetting]:
    """The settings of the application and of each issuer, in the order of the table."""
    settings = get_guard(registry).settings
    common, tables = split_tables(registry.settings)
    yield from _list_rows(settings, common, common, own_rows=bool(settings.issuer))
    for each in settings.named:
        own = tables.get(each.issuer_name or "", {})
        yield from _list_rows(each, inherit(common, own), own, own_rows=True)


def _list_rows(
    settings: GuardSettings, values: Mapping[str, Any], own: Mapping[str, Any], *, own_rows: bool
) -> Iterator[EffectiveSetting]:
    """:param own_rows: whether the settings are those of an issuer, too."""
    for row in TABLE:
        of_application = row.name in OF_APPLICATION
        if own_rows if not of_application else settings.issuer_name is None:
            yield from _list_row(settings, row, values, own)


def _list_row(
    settings: GuardSettings, row: Setting, values: Mapping[str, Any], own: Mapping[str, Any]
) -> Iterator[EffectiveSetting]:
    found = [name for name in values if _is_of(row, name) and _is_given(values[name])]
    for name in found:
        given = settings.name_key(name) if name in own else f"{PREFIX}.{name}"
        yield EffectiveSetting(settings.name_key(name), _write(row, name, values[name]), given)
    if not found:
        yield EffectiveSetting(settings.name_key(row.name), _write_default(row), None)


def _is_of(row: Setting, name: str) -> bool:
    if row.name.endswith(".*"):
        return name.startswith(row.name.removesuffix("*"))
    return name == row.name or (row.secret and name == row.name + _FILE)


def _is_given(value: Any) -> bool:
    return value is not None and not (isinstance(value, str) and not value.strip())


def _write(row: Setting, name: str, value: Any) -> str:
    if name.endswith(_FILE) and row.secret:
        return str(value)
    last = name.rpartition(".")[2]
    is_unknown = row.name.endswith(".*") and (_SECRET.search(last) or isinstance(value, Mapping))
    if row.secret or name.startswith(_HEADERS) or is_unknown:
        return _MASK
    text = " ".join(map(str, value)) if isinstance(value, (list, tuple, set, frozenset)) else str(value)
    return _QUERY.sub(rf"\1{_MASK}", _USERINFO.sub(f"//{_MASK}@", " ".join(text.split())))


def _write_default(row: Setting) -> str:
    value = row.default
    if value is REQUIRED or value is None or value in ("", (), {}, frozenset()):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return " ".join(map(str, value)) if isinstance(value, (tuple, list, frozenset)) else str(value)
