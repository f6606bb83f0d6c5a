"""The health of a guard: the keys of its issuers, and its shared caches."""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Iterable, Iterator
from typing import Any

from ...caching import is_shared, probe_cache
from ...errors import UnavailableError
from ...health.probes import DEGRADED, FAILED, OK, Probe, Reading, name_reason
from ...interfaces import ICredentialVerifier
from ..guarded_views import find_modes, find_views
from ..settings import CACHES, GuardSettings
from ..state import Guard, get_guard
from ..verifiers import RANKS
from ..verifiers.chosen import ChosenVerifier

__all__ = ["list_probes", "list_shared_caches", "read_cache"]


def list_probes(registry: Any) -> Iterator[Probe]:
    """The probes of the guard of an application. Sends no request."""
    guard = get_guard(registry)
    modes = {
        mode for mode in find_modes(find_views(registry, guard.settings), guard.settings) if _is_ours(registry, mode)
    }
    for settings in guard.settings.list_issuers() if modes else ():
        look = functools.partial(_read_keys, guard, settings, is_needed="local" in modes)
        yield Probe("keys" if settings.issuer_name is None else f"keys of {settings.issuer_name}", look)
    for settings, name, options in list_shared_caches(guard.settings.list_issuers()):
        of = "" if settings.issuer_name is None else f" of {settings.issuer_name}"
        yield Probe(f"cache {name}{of}", functools.partial(read_cache, options))


def list_shared_caches(issuers: Iterable[GuardSettings]) -> Iterator[tuple[GuardSettings, str, Any]]:
    """Each cache outside this process, once even if several issuers use it: its issuer, its name, its options."""
    seen: list[Any] = []
    for settings, name in itertools.product(issuers, CACHES):
        options = getattr(settings, f"cache_{name}")
        if is_shared(options) and (name, options) not in seen:
            seen.append((name, options))
            yield settings, name, options


def read_cache(options: Any) -> Reading:
    """Write to a cache and read from it. Without it, each process works with its own memory."""
    return Reading(OK) if probe_cache(options) is None else Reading(DEGRADED, "cache_away")


def _is_ours(registry: Any, mode: str) -> bool:
    names = RANKS if mode in RANKS else ()
    return mode in names and isinstance(registry.queryUtility(ICredentialVerifier, name=mode), ChosenVerifier)


def _read_keys(guard: Guard, settings: GuardSettings, *, is_needed: bool) -> Reading:
    """The keys of one issuer. They are fetched where they are not known; of a template, those of no further tenant are."""
    now, is_known = time.time(), settings.template is None or settings.shares_keys
    readings = [
        _read_source(source, now, ask=is_known) for source in tuple(guard.key_sources.get(settings.issuer_name, ()))
    ]
    found = [each for each in readings if each is not None]
    worst = next((each for level in (FAILED, DEGRADED, OK) for each in found if each.level == level), Reading(OK))
    ages = [each.facts["age_seconds"] for each in found if each.facts]
    level = DEGRADED if worst.level == FAILED and not is_needed else worst.level
    return Reading(level, worst.reason, {"age_seconds": max(ages)} if ages else {})


def _read_source(source: Any, now: float, *, ask: bool) -> Reading | None:
    """One key set; None where it was never needed."""
    kept = source.kept
    if not ask and kept.value is None:
        return None
    try:
        kept.require(now)
    except UnavailableError as error:
        return Reading(FAILED, name_reason(error.reason))
    level = DEGRADED if kept.is_failing else OK
    reason = "issuer_away" if kept.is_failing else ""
    return Reading(level, reason, {"age_seconds": kept.find_age(time.time())})
