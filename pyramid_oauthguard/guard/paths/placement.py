"""Checks the paths of guarded views against a policy that accepts tokens under some paths only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pyramid.interfaces import IRoutesMapper

from ...errors import SettingError
from ...interfaces import Finding
from ..requirements import VIEW_OPTIONS
from .tokens_under import TokensUnder

__all__ = ["check_places", "describe_places"]

#: Routes of the authorization server, if the application has one.
_PAGES: Final = ("oauthguard.authorize", "oauthguard.device", "oauthguard.applications")


def check_places(registry: Any, policy: TokensUnder) -> None:
    """Check that no route leads to a view that requires a token at a path where the policy takes none.

    NOT checked: views whose path only a request tells, such as those of traversal and of ``/{tenant}/orders``.

    :raises SettingError: naming the route's pattern.
    """
    for view, pattern, covered in _find_places(registry, policy):
        if covered is False:
            raise SettingError(
                "TokensUnder",
                f"a view of {pattern} requires a token, and this path is not under {policy.prefixes}",
                "give TokensUnder its prefix too, or move the route",
                at=view.action_info,
            )


def describe_places(registry: Any, policy: TokensUnder) -> Iterator[Finding]:
    """Where tokens count, and the views that are refused elsewhere at request time."""
    text = f"access tokens count under {policy.prefixes} only, elsewhere {type(policy.other).__name__} decides"
    yield Finding("ok", "TokensUnder", text)
    for _view, pattern, covered in _find_places(registry, policy):
        if covered is None:
            yield Finding("ok", pattern or "a view by traversal", "requires a token: refused at any other path")
    yield from _judge_pages(registry, policy)


def _judge_pages(registry: Any, policy: TokensUnder) -> Iterator[Finding]:
    """Warn about pages of the authorization server under a prefix: the policy knows no signed-in users there."""
    for name in _PAGES:
        pattern = _find_pattern(registry, name)
        if pattern and policy.prefixes.covers_pattern(pattern):
            text = f"is a page for users, but it is under {policy.prefixes}, where request.authenticated_userid comes from a token"
            hint = "set oauthguard.server.path to another path, or let user() of the resource owner read the session"
            yield Finding("warning", pattern, text, hint)


def _find_places(registry: Any, policy: TokensUnder) -> Iterator[tuple[Any, str, bool | None]]:
    """Each view that requires a token, as introspection has it; its route's pattern, or "" without a route; and whether it is under a prefix."""
    for each in registry.introspector.get_category("views", []):
        view = each["introspectable"]
        if all(view.get(name) is None for name in VIEW_OPTIONS):
            continue
        pattern = _find_pattern(registry, view.get("route_name"))
        yield view, pattern, policy.prefixes.covers_pattern(pattern) if pattern else None


def _find_pattern(registry: Any, name: str | None) -> str:
    mapper = registry.queryUtility(IRoutesMapper)
    route = mapper.get_route(name) if mapper is not None and name is not None else None
    return "" if route is None else "/" + route.pattern.lstrip("/")
