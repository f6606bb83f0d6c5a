"""The settings of the metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pyramid.security import NO_PERMISSION_REQUIRED

from ..settings import Setting, as_bool, as_list, as_str, parse

__all__ = ["PREFIX", "TABLE", "MetricsSettings", "parse_settings"]

PREFIX: Final = "oauthguard.metrics"


def as_path(value: Any) -> str:
    """The path of a route without placeholders."""
    path = as_str(value)
    if not path.startswith("/") or any(char in path for char in "{}*?# ") or "//" in path:
        raise ValueError(f"must be a path such as /metrics, not {value!r}")
    return path


def as_permission(value: Any) -> str:
    """The name of a permission that somebody has to have."""
    name = as_str(value)
    if name == NO_PERMISSION_REQUIRED:
        raise ValueError("must be a permission: the numbers are not for every caller")
    return name


TABLE: Final = (
    Setting("path", as_path, "/metrics", "Where the numbers are served."),
    Setting("permission", as_permission, "oauthguard.metrics", "The permission that a caller needs. The security policy of the application is asked for it, with the context of its root factory."),
    Setting("clients", as_list, (), "Client ids that are a label of their own in the number of issued tokens. All other clients are counted together, as `other`."),
    Setting("trace_context", as_bool, True, "Passes a valid `traceparent` of a request on to the issuer that is asked about its token. `false` passes nothing on."),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsSettings:
    """``oauthguard.metrics.*``."""

    path: str
    permission: str
    clients: tuple[str, ...]
    trace_context: bool


def parse_settings(settings: Mapping[str, Any]) -> MetricsSettings:
    """Read them. :raises SettingError: naming the key that is unknown or wrong."""
    return parse(TABLE, settings, PREFIX, into=MetricsSettings)
