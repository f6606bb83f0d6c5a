"""Whether the guard accepts what the authorization server in the same process issues, for ``oauthguard check``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...errors import UnavailableError
from ...interfaces import Finding, IEmbeddedIssuer, IIssuer, IssuedTokens
from ...settings import as_list
from ..guarded_views import GuardedView
from ..settings import GuardSettings

__all__ = ["judge_issued"]


def judge_issued(registry: Any, settings: GuardSettings, views: tuple[GuardedView, ...]) -> Iterator[Finding]:
    """Compare the settings and the views with the tokens that the server in this process makes.

    Only where it is the only issuer: with several, a view may be for the tokens of another one.

    :param views: those whose tokens the built-in verifiers check.
    """
    if not settings.is_plain or not views:
        return
    embedded: Any = registry.queryUtility(IIssuer, name=settings.issuer)
    if not IEmbeddedIssuer.providedBy(embedded):
        yield from _judge_spelling(registry, settings)
        return
    try:
        issued: IssuedTokens = embedded.describe_tokens()
    except UnavailableError:
        return  # the check of the server says why
    yield from _judge_audience(issued, settings)
    yield from _judge_format(issued, views)
    for view in views:
        yield from _judge_scopes(issued, settings, view)


def _judge_spelling(registry: Any, settings: GuardSettings) -> Iterator[Finding]:
    names = [name for name, issuer in registry.getUtilitiesFor(IIssuer) if IEmbeddedIssuer.providedBy(issuer)]
    for name in names:
        if name.rstrip("/").lower() == settings.issuer.rstrip("/").lower():
            text = f"{settings.issuer} is not {name}, the issuer of the server in this process: each character counts"
            yield Finding("error", "oauthguard.issuer", text, "give it the value of oauthguard.server.issuer")


def _judge_audience(issued: IssuedTokens, settings: GuardSettings) -> Iterator[Finding]:
    accepted = {*settings.audience, *settings.resource_audiences}
    if accepted.isdisjoint(issued.audiences):
        ours, theirs = " ".join(sorted(accepted)), " ".join(sorted(issued.audiences))
        text = f"no token of the server in this process has the audience {ours}: they have {theirs}"
        hint = "give oauthguard.server.audience the same value, or register clients with this audience"
        yield Finding("error", "oauthguard.audience", text, hint)


def _judge_format(issued: IssuedTokens, views: tuple[GuardedView, ...]) -> Iterator[Finding]:
    local = dict.fromkeys(view.place for view in views if view.mode == "local")
    if issued.is_opaque and local:
        text = f"the server in this process makes opaque tokens, which a local check can't read: {' '.join(local)}"
        yield Finding("error", "oauthguard.token_check", text, "oauthguard.token_check = remote")


def _judge_scopes(issued: IssuedTokens, settings: GuardSettings, view: GuardedView) -> Iterator[Finding]:
    implied = (settings.scope_implies.get(scope, frozenset()) for scope in issued.scopes)
    possible = issued.scopes.union(*implied)
    require = view.require if isinstance(view.require, Mapping) else {"scope": view.require or ""}
    missing = [scope for scope in as_list(require.get("scope") or "") if scope not in possible]
    any_of = as_list(require.get("any_scope") or "")
    if any_of and possible.isdisjoint(any_of):
        missing += any_of
    if missing:
        text = f"requires {' '.join(missing)}, which oauthguard.server.scopes does not have"
        yield Finding("warning", view.label, text, "add it there, or correct its name: no token can have it")
