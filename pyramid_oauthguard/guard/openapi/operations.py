"""The guarded views as operations of an API: method, path, check, scopes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pyramid.authorization import ACLHelper
from pyramid.registry import Registry

from ...settings import as_list
from ..guarded_views import GuardedView, find_views
from ..state import get_guard

__all__ = ["Operation", "find_operations"]

_PREFIX: Final = "scope:"
_NO_SCOPES: Final[tuple[tuple[str, ...], ...]] = ((),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What one method at one path requires.

    :ivar method: in capitals; empty for a view that answers every method.
    :ivar path: the pattern of the route, without the expressions of its placeholders.
    :ivar mode: how the token is checked, ``"local"``, ``"remote"`` or ``"userinfo"``.
    :ivar alternatives: sets of scopes; the token must have all scopes of one of them. One empty set: any valid token.
    """

    method: str
    path: str
    mode: str
    alternatives: tuple[tuple[str, ...], ...]


def find_operations(registry: Registry) -> tuple[Operation, ...]:
    """The operations of all guarded views that have a route, in the order of their paths.

    Scopes come from ``token_require`` and from ACLs that are a list or tuple on the class of the route's factory. An ACL that
    is computed for each request is not known here, and adds no scope.
    """
    views = find_views(registry, get_guard(registry).settings)
    return tuple(each for view in views if view.place.startswith("/") for each in _list_operations(view))


def _list_operations(view: GuardedView) -> Iterator[Operation]:
    alternatives = _combine(_read_requirements(view.require), _read_permission(view))
    for method in view.methods or ("",):
        yield Operation(method=method, path=view.place, mode=view.mode, alternatives=alternatives)


def _combine(required: tuple[str, ...], choices: Iterable[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(dict.fromkeys((*required, *choice))) for choice in choices)


def _read_requirements(require: Any) -> tuple[str, ...]:
    wanted = require if isinstance(require, Mapping) else {"scope": require or ()}
    return tuple(as_list(wanted.get("scope", ())))


def _read_permission(view: GuardedView) -> tuple[tuple[str, ...], ...]:
    """The alternatives of ``any_scope`` and of the permission, each with each."""
    any_scope = as_list(view.require.get("any_scope", ())) if isinstance(view.require, Mapping) else ()
    granted = _find_granted(view)
    return tuple(
        tuple(dict.fromkeys((*one, *other)))
        for one in [(scope,) for scope in any_scope] or _NO_SCOPES
        for other in [(scope,) for scope in granted] or _NO_SCOPES
    )


def _find_granted(view: GuardedView) -> tuple[str, ...]:
    """The scopes of which the ACL wants one; none where it is not known, or lets callers in without a scope."""
    acl = getattr(view.resource, "__acl__", None)
    if view.permission is None or not isinstance(acl, (list, tuple)):
        return ()
    granted = ACLHelper().principals_allowed_by_permission(_Acl(acl), view.permission)
    scopes = tuple(sorted(str(name).removeprefix(_PREFIX) for name in granted if str(name).startswith(_PREFIX)))
    return scopes if len(scopes) == len(granted) else ()


class _Acl:
    def __init__(self, acl: Any) -> None:
        self.__acl__ = acl
