"""The health of an authorization server: its database, its signing key with the pepper, its cache of limits, its upkeep."""

from __future__ import annotations

import functools
import re
import secrets
import time
from collections.abc import Iterator
from typing import Any, Final

from ...caching import is_shared, probe_cache
from ...errors import UnavailableError
from ...health.probes import DEGRADED, FAILED, OK, Probe, Reading, name_reason
from ..keys.life import find_signing
from ..service import IService, Service
from ..store.contract import NoAnswerError, Store
from ..tokens.pruning import KEEP_SECONDS

__all__ = ["find_prune_lag", "list_probes", "write_and_roll_back"]

_HASH_BYTES: Final = 32
#: The code of the database in an error's text, behind the class of the error.
_find_code = re.compile(r"\w+ (SQLITE_[A-Z]+|[0-9A-Z]{5})\b").match
_CODES: Final = {
    "SQLITE_READONLY": "read_only", "25006": "read_only", "42501": "read_only",
    "SQLITE_BUSY": "locked", "SQLITE_LOCKED": "locked", "55P03": "locked",
    "SQLITE_FULL": "disk_full", "53100": "disk_full", "53300": "too_many_connections",
}  # fmt: skip


class _RollBackError(Exception):
    """Ends a unit whose work must not stay."""


def list_probes(registry: Any) -> Iterator[Probe]:
    """The probes of the server of an application. Sends no request."""
    service: Service | None = registry.queryUtility(IService)
    if service is None:
        return
    yield Probe("database", functools.partial(_read_database, service))
    yield Probe("signing key", functools.partial(_read_signing_key, service))
    yield Probe("expired rows", functools.partial(_read_upkeep, service))
    if service.settings.limits_cache and is_shared(service.settings.limits_cache):
        yield Probe("cache limits", functools.partial(_read_cache, service.settings.limits_cache))


def write_and_roll_back(store: Store) -> float:
    """Write a row and take it back: a database may answer reads and refuse writes. Returns the seconds that it took.

    :raises UnavailableError: the storage can't be written to.
    """
    began = time.monotonic()
    try:
        with store.writing() as unit:
            unit.add_assertion(secrets.token_bytes(_HASH_BYTES), time.time())
            raise _RollBackError
    except _RollBackError:
        return time.monotonic() - began


def find_prune_lag(store: Store) -> float | None:
    """For how many seconds an expired row has been waiting to be deleted; None where the store can't say.

    :raises UnavailableError: the storage can't be reached.
    """
    with store.reading() as unit:
        find = getattr(unit, "find_oldest_expiry", None)
        oldest = find() if find is not None else None
    return None if find is None else max(0.0, time.time() - KEEP_SECONDS - oldest) if oldest is not None else 0.0


def _read_database(service: Service) -> Reading:
    try:
        write_and_roll_back(service.store)
    except UnavailableError as error:
        return Reading(FAILED, _name_failure(error))
    return Reading(OK)


def _name_failure(error: UnavailableError) -> str:
    if error.reason != "storage":
        return name_reason(error.reason)
    code = _find_code(error.detail)
    known = _CODES.get(code[1]) if code else None
    return known or ("no_answer" if isinstance(error, NoAnswerError) else "storage")


def _read_signing_key(service: Service) -> Reading:
    """Whether tokens can be signed, and the pepper is that of the keys. The keys are read from the storage."""
    try:
        with service.store.reading() as unit:
            records = unit.list_keys()
        signing = find_signing(records, service.settings.signing_algorithm, time.time())
        if signing is None:
            service.keys.forget()
            service.keys.find_signer()  # makes the first one, as a token request would
            return Reading(OK)
    except UnavailableError as error:
        return Reading(FAILED, _name_failure(error))
    if not service.keys.can_open(signing):
        return Reading(FAILED, "wrong_pepper")
    return Reading(OK, facts={"age_seconds": max(0.0, time.time() - signing.active_from)})


def _read_upkeep(service: Service) -> Reading:
    try:
        lag = find_prune_lag(service.store)
    except UnavailableError as error:
        return Reading(DEGRADED, _name_failure(error))
    return Reading(OK, facts={} if lag is None else {"lag_seconds": lag})


def _read_cache(options: Any) -> Reading:
    return Reading(OK) if probe_cache(options) is None else Reading(DEGRADED, "cache_away")
