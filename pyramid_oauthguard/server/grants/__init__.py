"""The grants: one file each, and one line each in this table."""

from __future__ import annotations

from typing import Final

from ..service import GrantEntry
from .client_credentials import ClientCredentials

__all__ = ["GRANTS"]

GRANTS: Final[dict[str, GrantEntry]] = {
    "client_credentials": GrantEntry(ClientCredentials),
}
