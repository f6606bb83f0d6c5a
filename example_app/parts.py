"""Which parts of the example run: the API, the authorization server, the demo."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from pyramid_oauthguard.errors import SettingError
from pyramid_oauthguard.urls import as_origin, is_loopback

from .settings import read_example

__all__ = ["Parts", "find_parts"]

_ISSUERS: Final = ("oauthguard.issuer", "oauthguard.server.issuer")
_FURTHER: Final = re.compile(r"oauthguard\.issuers\.[^.]+\.issuer")
_SERVER: Final = "oauthguard.server."
_GUARD: Final = "oauthguard."


@dataclass(frozen=True, slots=True)
class Parts:
    """What the ini includes.

    :ivar issuer: whose tokens the API accepts, or who issues them; empty if no setting says so.
    :ivar embedded: whether the API accepts the tokens of the authorization server in this process.
    :ivar tour: whether the tour can call everything in this process, with secrets that are public.
    """

    server: bool
    guard: bool
    demo: bool
    issuer: str
    embedded: bool
    tour: bool


def find_parts(settings: Any) -> Parts:
    """What these settings include.

    :raises SettingError: the demo, whose secrets are public, is on for an issuer that others can reach.
    """
    server = any(key.startswith(_SERVER) for key in settings)
    # With neither, the guard says which setting is missing.
    guard = not server or any(key.startswith(_GUARD) and not key.startswith(_SERVER) for key in settings)
    demo = read_example(settings).demo
    issuers = [settings[key] for key in _ISSUERS if settings.get(key)]
    if demo:
        _require_loopback([*issuers, *(settings[key] for key in settings if _FURTHER.fullmatch(key))])
    embedded = len(issuers) == 2 and issuers[0] == issuers[1]
    return Parts(server, guard, demo, issuers[0] if issuers else "", embedded, demo and embedded)


def _require_loopback(issuers: list[str]) -> None:
    for issuer in issuers:
        if not _is_here(issuer):
            text = f"can't be on with the issuer {issuer!r}: clients and a user would have public secrets"
            raise SettingError("example.demo", text, "remove example.demo, or use an issuer on localhost")


def _is_here(issuer: str) -> bool:
    try:
        return is_loopback(as_origin(issuer).host)
    except ValueError:
        return False
