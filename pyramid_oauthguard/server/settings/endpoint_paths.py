"""The paths of single endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ...errors import SettingError

__all__ = ["ENDPOINT_NAMES", "check_paths"]

#: The endpoints whose path can be set, by the name that they have below ``path``.
ENDPOINT_NAMES: Final = (
    "authorize", "token", "revoke", "introspect", "jwks", "device_authorization", "device", "applications",
    "register",
)  # fmt: skip


def check_paths(paths: Mapping[str, str], base: str, *, prefix: str) -> None:
    """SettingError where two endpoints have one path."""
    taken: dict[str, str] = {}
    for name in sorted(ENDPOINT_NAMES, key=paths.__contains__):
        path = paths.get(name, f"{base}/{name}")
        if path in taken:
            raise SettingError(f"{prefix}.path.{name}", f"is also the path of the endpoint {taken[path]}")
        taken[path] = name
