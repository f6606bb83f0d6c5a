"""Where a request carries a token: each module of this package is one kind of credential.

A kind is a module with the two functions of :class:`Kind`. To add one, add the file: there is no table to change.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import Any, Final, Protocol

from pyramid.request import Request

from ...errors import InvalidRequest
from ...interfaces import Credential
from .elsewhere import find_sources

__all__ = ["KINDS", "Kind", "find", "is_header_alone", "is_present", "load_kinds"]


class Kind(Protocol):
    """What a module of this package must have."""

    def find(self, request: Request) -> Credential | None:
        """The credential of this kind that the request brings, None without one.

        :raises InvalidRequest: it is there and cannot be read.
        """

    def is_present(self, request: Request) -> bool:
        """Whether the request brings a credential of this kind, well-formed or not. Raises nothing."""


def load_kinds() -> dict[str, Kind]:
    """The modules of this package by their names."""
    names = [each.name for each in pkgutil.iter_modules(__path__)]
    modules: dict[str, Any] = {name: import_module(f"{__name__}.{name}") for name in names}
    return modules


KINDS: Final = load_kinds()
_OURS: Final = frozenset({"header", "elsewhere"})


def find(request: Request) -> Credential | None:
    """The credential that the request brings, None without one. Says nothing about the token's validity.

    :raises InvalidRequest: it brings more than one, or one that cannot be read.
    """
    found: Credential | None = None
    for kind in _list_kinds(request):
        credential = kind.find(request)
        if credential is not None:
            if found is not None:
                raise InvalidRequest("several_credentials")
            found = credential
    return found


def is_present(request: Request) -> bool:
    """Whether the request brings a credential of any kind, well-formed or not."""
    return any(kind.is_present(request) for kind in _list_kinds(request))


def is_header_alone(registry: Any) -> bool:
    """Whether the Authorization header decides alone: then a token that was verified is found again by that header, and
    no other part of the request is looked at.
    """
    return KINDS.keys() == _OURS and find_sources(registry) is None


def _list_kinds(request: Request) -> list[Kind]:
    """Those that this application wants: the Authorization header need not be one of its sources."""
    sources = find_sources(getattr(request, "registry", None))
    skipped = "header" if sources is not None and not sources.has_header else None
    return [kind for name, kind in KINDS.items() if name != skipped]
