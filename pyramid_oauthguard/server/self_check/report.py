"""The weaknesses of this authorization server, for ``oauthguard check``: each finding says what to do."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Final

from pyramid.registry import Registry

from ...caching import is_shared, probe_cache
from ...errors import UnavailableError
from ...exit_status import find_exit_status
from ...interfaces import Finding, IOAuthStore, Step
from ...private_files import find_open_folder
from ...urls import as_origin, is_loopback
from ..clients.findings import report_self_registration
from ..http.route_order import find_routes_in_front
from ..keys.life import find_usable, is_published
from ..service import IService, Service
from ..settings import PREFIX, ServerSettings
from ..store.contract import NoAnswerError
from ..store.records import Client
from .probes import write_and_roll_back

__all__ = ["report_server"]

_HOUR_SECONDS: Final = 3600.0
_DAY_SECONDS: Final = 86400.0
#: With longer lives, a stolen token or code can be used for longer than the RFCs recommend or a user expects.
_LONGEST_SECONDS: Final = {
    "access_token_ttl": (
        _HOUR_SECONDS,
        "an access token can't be called back from APIs that check locally: 10m is good",
    ),
    "code_ttl": (600.0, "RFC 6749 section 4.1.2 allows ten minutes at the most: 60s is good"),
    "refresh_token_ttl": (30 * _DAY_SECONDS, "14d is good: users rarely come back after a longer time"),
    "refresh_token_max_age": (365 * _DAY_SECONDS, "users should have to sign in again: 90d is good"),
    "refresh_reuse_grace": (60.0, "a thief can use the old token for as long: 10s is good"),
    "device_code_ttl": (1800.0, "user codes are short and can be guessed during this time: 10m is good"),
}
_GUESSES: Final = ("{id}-secret", "{id}", "secret", "password", "changeme", "demo", "test", "admin")


def report_server(registry: Registry) -> Iterator[Finding]:
    """Check the authorization server of the application. Uses the database."""
    service: Service | None = registry.queryUtility(IService)
    if service is None:
        return
    yield _report_issuer(service.settings)
    yield from _report_lifetimes(service.settings)
    yield from _report_switches(service.settings)
    yield from _report_scopes(service.settings)
    yield from report_self_registration(service.settings)
    yield from _report_assertions(service.settings)
    yield from _report_routes(registry)
    yield from _report_limits_cache(service.settings)
    yield Step("ok", "the database of the authorization server", "")
    if registry.queryUtility(IOAuthStore) is None:
        yield from _report_database(service.settings)
        yield from _report_certificate(service.settings)
    yield from _report_folders(service.settings)
    written = [*_report_writing(service)]
    try:
        yield from written
        yield from _report_keys(service)
        yield from _report_clients(service)
    except UnavailableError as error:
        if any(each.level == "error" for each in written):  # a database that can't be read either is one error, not two
            return
        hint = "every request will be answered 503; see oauthguard.server.sqlalchemy.url and pepper_file"
        yield Finding("error", "storage", str(error), hint, find_exit_status(error))


def _report_issuer(settings: ServerSettings) -> Finding:
    key = f"{PREFIX}.issuer"
    if as_origin(settings.issuer).scheme == "http":  # http is refused at start-up, except for loopback hosts
        return Finding("warning", key, f"{settings.issuer} is for development", "other machines need https")
    return Finding("ok", key, settings.issuer)


def _report_lifetimes(settings: ServerSettings) -> Iterator[Finding]:
    for name, (longest, hint) in _LONGEST_SECONDS.items():
        value = getattr(settings, name)
        level = "warning" if value > longest else "ok"
        yield Finding(level, f"{PREFIX}.{name}", _format_duration(value), hint if value > longest else "")


def _report_switches(settings: ServerSettings) -> Iterator[Finding]:
    if not settings.require_pkce:
        hint = "true: without it a stolen code can be redeemed (RFC 9700 section 2.1.1)"
        yield Finding("warning", f"{PREFIX}.require_pkce", "off: confidential clients need not use PKCE", hint)
    if not settings.revocation_cascade:
        hint = "true: a user who revokes an access token expects to be signed out"
        yield Finding(
            "warning", f"{PREFIX}.revocation.cascade", "off: refresh tokens outlive their access tokens", hint
        )
    if not 0 < settings.signing_rotation <= 366 * _DAY_SECONDS:
        what = (
            f"a key signs for {_format_duration(settings.signing_rotation)}"
            if settings.signing_rotation
            else "off: keys are never replaced"
        )
        yield Finding("warning", f"{PREFIX}.signing.rotation", what, "90d is good")
    off = [name for name in ("failures", "sign_in") if getattr(settings, f"limits_{name}") is None]
    if not settings.limits or off:
        what = "off" if not settings.limits else f"{' and '.join(off)}: off"
        yield Finding("warning", f"{PREFIX}.limits", what, "on: passwords and codes can be guessed without limit")
    elif not settings.limits_cache and not _is_sqlite(settings):
        hint = "limits.cache.backend = dogpile.cache.redis, where several processes serve"
        yield Finding("warning", f"{PREFIX}.limits.cache", "each process counts for itself", hint)


def _report_scopes(settings: ServerSettings) -> Iterator[Finding]:
    if "openid" in settings.scopes:
        text = "has openid, but this server issues no ID token: it is not an OpenID provider"
        hint = "drop the scope: a client that asks for it expects an ID token, and refuses the answer without one"
        yield Finding("warning", f"{PREFIX}.scopes", text, hint)


def _report_assertions(settings: ServerSettings) -> Iterator[Finding]:
    for each in settings.assertions:
        for host in sorted(each.http_insecure_hosts):
            text = f"{host} is asked without TLS: anyone who can change what is sent there can make assertions that are accepted here"
            yield Finding("warning", each.name_key("http.insecure_hosts"), text, "use it in closed networks only")


def _report_routes(registry: Registry) -> Iterator[Finding]:
    in_front = find_routes_in_front(registry)
    for route, ours in in_front:
        text = f"the route {route.name!r} ({route.pattern}) of the application is matched before it"
        hint = "include pyramid_oauthguard.server before this route is added, or give the server another oauthguard.server.path"
        yield Finding("warning" if route.predicates else "error", f"endpoint {ours.pattern}", text, hint)
    if not in_front:
        yield Finding("ok", "endpoints", "no route of the application is matched before them")


def _report_limits_cache(settings: ServerSettings) -> Iterator[Finding]:
    if not settings.limits_cache or not is_shared(settings.limits_cache):
        return
    key = f"{PREFIX}.limits.cache.backend"
    yield Step("ok", key, "")
    failure = probe_cache(settings.limits_cache)
    if failure is not None:
        text = f"{settings.limits_cache['backend']} does not work as a cache: {failure}"
        yield Finding("warning", key, text, "until it does, each process counts for itself")


def _report_writing(service: Service) -> Iterator[Finding]:
    """Try a write and take it back: a database may answer reads but refuse writes."""
    try:
        seconds = write_and_roll_back(service.store)
    except UnavailableError as error:
        hint = "tokens can't be issued or revoked: give this account the right to write, or name the primary server"
        text = "can't be written to"
        if isinstance(error, NoAnswerError):
            text, hint = "does not answer", "is it running, is it reachable, and does a transaction hold a lock in it?"
        yield Finding("error", f"{PREFIX}.sqlalchemy.url", f"{text}: {error}", hint, find_exit_status(error))
    else:
        yield Finding("ok", "database", f"a write was taken back, in {seconds * 1000:.1f} ms")


def _report_database(settings: ServerSettings) -> Iterator[Finding]:
    from ..store.sqlalchemy.engine import find_sqlite_file

    key = f"{PREFIX}.sqlalchemy.url"
    if not _is_sqlite(settings):
        yield Finding("ok", key, settings.sqlalchemy_url.partition(":")[0])
        return
    if find_sqlite_file(settings.sqlalchemy_url) is None:
        hint = "name a file: each process has its own database and keys, which are lost when it ends"
        yield Finding("warning", key, "SQLite in memory", hint)
    elif os.environ.get("WEB_CONCURRENCY", "1") != "1" or not is_loopback(as_origin(settings.issuer).host):
        hint = "PostgreSQL where several processes serve: SQLite lets one of them write at a time, and no other host"
        yield Finding("warning", key, "SQLite", hint)
    else:
        yield Finding("ok", key, "SQLite, one process")


def _report_folders(settings: ServerSettings) -> Iterator[Finding]:
    from ..store.sqlalchemy.engine import find_sqlite_file

    files = {"sqlalchemy.url": find_sqlite_file(settings.sqlalchemy_url), "pepper_file": settings.pepper_file}
    for name, file in files.items():
        folder = None if file is None else find_open_folder(file)
        if folder is not None:
            text = f"every user of this machine can replace {file}: all may write in {folder}"
            yield Finding("warning", f"{PREFIX}.{name}", text, f"chmod o-w {folder}")


def _report_certificate(settings: ServerSettings) -> Iterator[Finding]:
    from .certificates import report_certificate  # SQLAlchemy is loaded where it is used

    yield from report_certificate(settings)


def _report_keys(service: Service) -> Iterator[Finding]:
    service.keys.find_signer()
    with service.store.reading() as unit:
        records = unit.list_keys()
    now = time.time()
    usable = [record.kid for record in find_usable(records, now)]
    for record in records:
        if is_published(record, now):
            what = "signs or will sign" if record.kid in usable else "signed tokens that still live"
            yield Finding("ok", "signing key", f"{record.kid} {record.algorithm} {what}")


def _report_clients(service: Service) -> Iterator[Finding]:
    with service.store.reading() as unit:
        clients = [client for client in unit.list_clients() if client.revoked_at is None and client.expires_at is None]
    for client in clients:
        if _has_weak_secret(client, service):
            hint = f"oauthguard server client rotate INI {client.client_id} --overlap 0"
            yield Finding("warning", f"client {client.client_id}", "has a secret that is easy to guess", hint)
        unknown = [scope for scope in client.scopes if scope not in service.settings.scopes]
        if unknown:
            hint = f"add them to {PREFIX}.scopes, or register the client again"
            yield Finding("warning", f"client {client.client_id}", f"unknown scopes: {' '.join(unknown)}", hint)
    yield Finding("ok", "clients", f"{len(clients)} registered")


def _has_weak_secret(client: Client, service: Service) -> bool:
    now = time.time()
    guesses = {service.pepper.hash_secret(guess.format(id=client.client_id)) for guess in _GUESSES}
    return any(secret.hash in guesses for secret in client.secrets if secret.is_live(now))


def _format_duration(seconds: float) -> str:
    """A duration with a unit, such as ``14d``."""
    for unit, length in (("d", _DAY_SECONDS), ("h", _HOUR_SECONDS), ("m", 60.0)):
        if seconds >= length and seconds % length == 0:
            return f"{seconds / length:g}{unit}"
    return f"{seconds:g}s"


def _is_sqlite(settings: ServerSettings) -> bool:
    return settings.sqlalchemy_url.startswith("sqlite")
