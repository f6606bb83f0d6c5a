"""The settings of the authorization server: one table, the only place where a key is written."""

from __future__ import annotations

from .self_registration import SelfRegistration
from .table import PREFIX, TABLE, ServerSettings, as_issuer, as_path, as_scopes, find_named_grants, parse_settings

__all__ = [
    "PREFIX",
    "TABLE",
    "SelfRegistration",
    "ServerSettings",
    "as_issuer",
    "as_path",
    "as_scopes",
    "find_named_grants",
    "parse_settings",
]
