"""Checks the guard of an application: issuer, clock, keys, introspection, views."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

from ..caching import probe_cache
from ..interfaces import Finding, ICredentialVerifier, IIssuer, Step
from .cache_secret import judge_caches
from .guarded_views import find_modes, find_views, judge_view
from .paths.placement import describe_places
from .paths.tokens_under import find_tokens_under
from .reports.embedded_report import judge_issued
from .reports.issuer_report import judge_issuer
from .reports.once_report import judge_once
from .reports.other_views import describe_other_views
from .reports.probes import list_shared_caches
from .reports.resource_report import describe_resources
from .settings import GuardSettings
from .state import get_guard
from .verifiers import RANKS
from .verifiers.chosen import ChosenVerifier

__all__ = ["judge_guard"]


def judge_guard(registry: Any) -> Iterator[Finding]:
    """Check the guard of the application. Sends requests to the issuer."""
    settings = get_guard(registry).settings
    views = find_views(registry, settings)
    wanted = _find_wanted(registry, find_modes(views, settings))
    for each in settings.list_issuers():
        issuer = registry.queryUtility(IIssuer, name=each.issuer)
        yield from judge_issuer(issuer, each, wanted)
        yield from judge_caches(each, issuer)
        yield from judge_issued(registry, each, tuple(view for view in views if _is_built_in(registry, view.mode)))
    yield from _judge_shared_caches(settings.list_issuers())
    yield from judge_once(settings, views)
    for mode in RANKS:
        if not _is_built_in(registry, mode):
            yield Finding("ok", "verifiers", f"the application checks tokens of {mode} views itself")
    for view in views:
        yield judge_view(view, settings)
    yield from describe_resources(registry)
    yield from describe_other_views(registry)
    composed = find_tokens_under(registry)
    if composed is not None:
        yield from describe_places(registry, composed)
    if not views:
        hint = "give a view token_check, token_require or permission"
        yield Finding("warning", "views", "none is guarded", hint)


def _judge_shared_caches(issuers: Iterable[GuardSettings]) -> Iterator[Finding]:
    """Write to each shared cache once, even if several issuers use it."""
    for settings, name, options in list_shared_caches(issuers):
        key = settings.name_key(f"cache.{name}.backend")
        yield Step("ok", key, "")
        began = time.monotonic()
        failure = probe_cache(options)
        if failure is None:
            yield Finding("ok", key, f"answers in {(time.monotonic() - began) * 1000:.1f} ms")
        else:
            text = f"{options['backend']} does not work as a cache: {failure}"
            hint = "until it does, each process keeps its own entries, and asks the issuer for them"
            yield Finding("warning", key, text, hint)


def _find_wanted(registry: Any, modes: frozenset[str]) -> frozenset[str]:
    """What the built-in verifiers will ask the issuer for; a JWT that is checked remotely is verified locally first."""
    asking = {mode for mode in modes if _is_built_in(registry, mode)}
    endpoints = {"remote": "introspection", "userinfo": "userinfo"}
    return frozenset({"keys"} if asking else ()) | {name for mode, name in endpoints.items() if mode in asking}


def _is_built_in(registry: Any, mode: str) -> bool:
    return isinstance(registry.queryUtility(ICredentialVerifier, name=mode), ChosenVerifier)
