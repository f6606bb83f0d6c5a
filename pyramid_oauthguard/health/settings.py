"""The settings of the health view."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..errors import SettingError
from ..settings import Setting, as_bool, as_str, parse

__all__ = ["PREFIX", "TABLE", "HealthSettings", "parse_settings"]

PREFIX: Final = "oauthguard.health"

TABLE: Final = (
    Setting("permission", as_str, "oauthguard.health", "The permission with which the health view tells its reasons. The security policy of the application is asked for it, with the context of its root factory; without a policy, no caller has it."),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthSettings:
    """``oauthguard.health`` and what is below it."""

    permission: str
    on: bool = True


def parse_settings(settings: Mapping[str, Any]) -> HealthSettings:
    """Read them. :raises SettingError: naming the key that is unknown or wrong."""
    permission = parse(TABLE, settings, PREFIX, into=HealthSettings).permission
    return HealthSettings(permission=permission, on=_read_switch(settings.get(PREFIX)))


def _read_switch(value: Any) -> bool:
    try:
        return True if value is None or value == "" else as_bool(value)
    except ValueError as error:
        raise SettingError(PREFIX, str(error)) from error
