"""The settings of the authorization server: one table, the only place where a key is written."""

from __future__ import annotations

from .assertions import OF_CLIENTS, AssertionIssuer, has_assertions
from .self_registration import SelfRegistration
from .table import PREFIX, TABLE, ServerSettings, as_issuer, as_path, as_scopes, find_named_grants, parse_settings

__all__ = [
    "OF_CLIENTS",
    "PREFIX",
    "TABLE",
    "AssertionIssuer",
    "SelfRegistration",
    "ServerSettings",
    "as_issuer",
    "as_path",
    "as_scopes",
    "find_named_grants",
    "has_assertions",
    "parse_settings",
]
