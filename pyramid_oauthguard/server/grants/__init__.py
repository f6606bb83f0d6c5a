"""The grants: one file each, and one line each in this table."""

from __future__ import annotations

from typing import Final

from ..grant_types import DEVICE_CODE
from ..service import GrantEntry
from .authorization_code import AuthorizationCode
from .client_credentials import ClientCredentials
from .device_code import DeviceCode
from .pkce import S256Challenge
from .refresh_token import RefreshToken

__all__ = ["GRANTS"]

GRANTS: Final[dict[str, GrantEntry]] = {
    "authorization_code": GrantEntry(AuthorizationCode, (S256Challenge(),)),
    "client_credentials": GrantEntry(ClientCredentials),
    "refresh_token": GrantEntry(RefreshToken),
    DEVICE_CODE: GrantEntry(DeviceCode),
}
