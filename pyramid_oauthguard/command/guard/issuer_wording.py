"""The words for a token of another issuer, where the two names say what the mistake is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from ...guard.reports.reasons import (
    OTHER_ADDRESS,
    OTHER_TENANT,
    OTHER_VERSION_OF_ENTRA,
    TOKEN_OF_ORG_SERVER,
    TOKEN_WITHOUT_ISSUER,
    Words,
)

__all__ = ["find_issuer_words"]

#: How Entra ID names itself in tokens of version 1 and of version 2; the group is the tenant.
_ENTRA: Final = (
    re.compile(r"https://sts\.windows\.net/([^/]+)/"),
    re.compile(r"https://login\.microsoftonline\.com/([^/]+)/v2\.0"),
)


def find_issuer_words(facts: Mapping[str, Any]) -> Words | None:
    """More exact words for a JWT that was refused for its ``iss``; None where the names do not tell."""
    found, wanted = facts["iss"], facts["issuer"]
    if found is None:
        return TOKEN_WITHOUT_ISSUER
    if not isinstance(found, str) or " or " in wanted:
        return None
    if _is_of_tenant(found, wanted):
        return OTHER_TENANT
    if _is_other_version(found, wanted):
        return OTHER_VERSION_OF_ENTRA
    if wanted.startswith(f"{found.rstrip('/')}/oauth2/"):
        return TOKEN_OF_ORG_SERVER
    return OTHER_ADDRESS if _is_other_address(found, wanted) else None


def _is_of_tenant(issuer: str, template: str) -> bool:
    before, placeholder, _after = template.partition("{")
    return bool(placeholder) and issuer.startswith(before)


def _is_other_version(found: str, wanted: str) -> bool:
    for one, other in (_ENTRA, _ENTRA[::-1]):
        mine, theirs = one.fullmatch(wanted), other.fullmatch(found)
        if mine and theirs:
            return mine[1] == theirs[1] or mine[1].startswith("{")
    return False


def _is_other_address(found: str, wanted: str) -> bool:
    """Whether the names differ in scheme, host or port only: the issuer names itself as it was asked."""
    try:
        one, other = urlsplit(found), urlsplit(wanted)
    except ValueError:
        return False
    return len(one.path) > 1 and one.path == other.path and one.scheme in ("http", "https")
