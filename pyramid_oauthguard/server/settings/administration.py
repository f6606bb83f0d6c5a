"""The settings of the administration and of the audit trail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ...errors import SettingError
from ...settings import Setting, as_duration, as_list, as_str

__all__ = ["ADMIN_ROWS", "check_admin_scope"]

_LEAST_RETENTION_SECONDS: Final = 30 * 86400.0  # the database refuses to delete what is younger


def _as_principals(value: Any) -> tuple[str, ...]:
    names = as_list(value)
    for name in names:
        if name.startswith("system."):
            raise ValueError(f"{name!r} is a principal of Pyramid that anyone may have; name users or groups")
        if name.endswith(":"):
            raise ValueError(f"{name!r} names no user or client: the identifier after the colon is missing")
    return names


def _as_retention(value: Any) -> float:
    seconds = as_duration(value)
    if seconds < _LEAST_RETENTION_SECONDS:
        raise ValueError(f"must be at least 30 days, not {value!r}")
    return seconds


ADMIN_ROWS: tuple[Setting, ...] = (
    Setting("admin", _as_principals, (), "Who may administer the server at `/oauth/admin`: `user:` and a `sub`, or principals that the hook `principals` returns. Empty: no one, and the pages do not exist."),
    Setting("admin.scope", as_str, None, "The scope of tokens that may use the JSON API at `/oauth/admin/api`, one of `scopes`. Without it, there is no such API. It is neither a default scope nor one of clients that register themselves, and it is not in the metadata."),
    Setting("audit.retention", _as_retention, None, "How long lines of the audit trail are kept: 30 days or more. `oauthguard server prune` deletes older ones. Without it, all are kept."),
)  # fmt: skip  # one row a line reads as the table it is


def check_admin_scope(values: Mapping[str, Any], *, prefix: str) -> None:
    """:raises SettingError: the scope of the JSON API does not exist, no caller may use it, or others than the operator's clients
    may get it."""
    key, scope = f"{prefix}.admin.scope", values["admin_scope"]
    if scope is None:
        return
    if scope not in values["scopes"]:
        raise SettingError(key, f"{scope!r} is not in {prefix}.scopes")
    if not values["admin"]:
        raise SettingError(key, f"needs {prefix}.admin", "name there who may use the API, such as client:CLIENT_ID")
    for name, key_of in (("default_scopes", "default_scopes"), ("self_registered.scopes", "self_registered_scopes")):
        if scope in values[key_of]:
            raise SettingError(f"{prefix}.{name}", f"must not contain {scope!r}, the scope of the administration")
