"""The grants: one file each, and one line each in this table."""

from __future__ import annotations

from typing import Final

from ..grant_types import GrantDeclaration, declare_grant
from ..http.errors import InvalidGrantError
from .authorization_code import AuthorizationCode
from .client_credentials import ClientCredentials
from .device_code import DeviceCode
from .jwt_bearer import JWTBearer
from .oauth_grant import Approval, OAuthGrant
from .pkce import S256Challenge
from .refresh_token import RefreshToken

__all__ = ["GRANTS", "Approval", "InvalidGrantError", "OAuthGrant"]

_DECLARED: Final = (
    declare_grant(AuthorizationCode, S256Challenge()),
    declare_grant(ClientCredentials),
    declare_grant(DeviceCode),
    declare_grant(JWTBearer),
    declare_grant(RefreshToken),
)
GRANTS: Final[dict[str, GrantDeclaration]] = {each.grant_type: each for each in _DECLARED}
