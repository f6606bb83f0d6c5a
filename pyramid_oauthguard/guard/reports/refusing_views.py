"""Views that refuse a good token for its client or for the principals of its permission, for ``oauthguard explain``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from ...access_token import AccessToken
from ...settings import as_list
from ..guarded_views import GuardedView, find_granted
from ..state import Guard

__all__ = ["describe_refusals"]

_MOST_NAMES: Final = 10


def describe_refusals(guard: Guard, token: AccessToken, views: Iterable[GuardedView]) -> Iterator[str]:
    """A line for each of ``views`` that answers 403, as far as this is known without a request. What only scopes decide is left out."""
    for view in views:
        clients = _list_clients(view)
        if clients and guard.name_client(token) not in clients:
            yield f"{view.label} answers 403: it requires the client {' or '.join(clients)}"
            continue
        missing = _find_missing(guard, token, view)
        if missing:
            given = ", ".join(sorted(each for each in guard.list_own_principals(token) if ":" in each)[:_MOST_NAMES])
            yield f"{view.label} answers 403: the permission {view.permission} is granted to {missing}; the token gives {given or 'none of these'}"


def _list_clients(view: GuardedView) -> tuple[str, ...]:
    return as_list(view.require.get("client", ())) if isinstance(view.require, Mapping) else ()


def _find_missing(guard: Guard, token: AccessToken, view: GuardedView) -> str:
    """Who has the permission of the view, where the token is not one of them; empty where it is, or where that is not known."""
    granted = find_granted(view) or frozenset()
    is_unknown = guard.settings.principals is not None or not guard.settings.policy
    if is_unknown or not granted.isdisjoint(guard.list_own_principals(token)):
        return ""
    is_of_scopes = all(each.startswith("scope:") for each in granted)
    return "" if is_of_scopes else ", ".join(sorted(granted)[:_MOST_NAMES])
