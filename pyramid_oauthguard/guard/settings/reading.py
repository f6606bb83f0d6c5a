"""From the application's settings to :class:`~.parsed.GuardSettings`, for all issuers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from typing import Any, Final

from ...errors import SettingError
from ...network.meaning import complete_network
from ...settings import as_bool, parse
from .named import check_differences, check_issuer, check_names, find_template, inherit, split_tables
from .parsed import GuardSettings
from .table import ANY, CACHES, KEY_LIFETIME_SECONDS, MIN_CACHE_SECRET_CHARACTERS, OF_APPLICATION, PREFIX, TABLE

__all__ = ["is_on", "parse_settings"]

_MIN_DIFFERENT: Final = 8
#: What these ways of authentication need.
_CREDENTIALS: Final = {"private_key_jwt": "introspection.key_file", "bearer": "introspection.token_file"}
#: Beginnings of keys that belong to other tables.
_FOREIGN: Final = ("server.", "issuers.", "health.", "metrics.")
#: Where the application has named issuers only, the plain one and its audience may be absent.
_NAMED_ONLY: Final = tuple(
    replace(row, default={"issuer": "", "audience": ()}.get(row.name, row.default)) for row in TABLE
)
_OF_ISSUER: Final = tuple(row for row in TABLE if row.name not in OF_APPLICATION)


def is_on(settings: Mapping[str, Any], name: str, default: bool) -> bool:
    """Whether a switch is on. :raises SettingError: neither on nor off."""
    value = settings.get(f"{PREFIX}.{name}")
    try:
        return default if value is None or value == "" else as_bool(value)
    except ValueError as error:
        raise SettingError(f"{PREFIX}.{name}", str(error)) from error


def parse_settings(settings: Mapping[str, Any]) -> GuardSettings:
    """The guard's settings from the application's, with those of each named issuer. :raises SettingError: naming the key."""
    rows = TABLE if "issuer" in _list_given(settings) or not _list_given(settings, "issuers") else _NAMED_ONLY
    parsed = parse(rows, settings, PREFIX, into=GuardSettings, foreign=_FOREIGN)
    if parsed.resource_metadata and not parsed.resource:
        raise SettingError("oauthguard.resource", "is required when oauthguard.resource_metadata is on")
    given, tables = split_tables(settings)
    check_names(parsed, given, tables)
    named = tuple(_parse_named(name, given, tables.get(name, {}), parsed) for name in parsed.issuers)
    parsed = replace(_complete(parsed), named=named)
    for each in parsed.list_issuers():
        _check_cache_secret(each)
        _check_cache_locks(each)
        _check_key_lifetime(each)
        _check_introspection(each)
        _check_audience_by_client(each)
        _check_sources(each)
        check_issuer(each)
    check_differences(parsed.list_issuers())
    return parsed


def _parse_named(name: str, given: Mapping[str, Any], own: Mapping[str, Any], common: GuardSettings) -> GuardSettings:
    """One named issuer: its own table, and what it inherits."""
    prefix = f"{PREFIX}.issuers.{name}"
    merged = {f"{prefix}.{key}": value for key, value in inherit(given, own).items()}
    values = parse(_OF_ISSUER, merged, prefix, into=dict)
    named = replace(common, **values, issuer_name=name)
    if not named.scopes:
        raise SettingError(
            named.name_key("scopes"),
            "is required",
            "list the scopes that are trusted from this issuer; any trusts every scope",
        )
    if common.client_id and not named.client_id:
        raise SettingError(
            named.name_key("client_id"),
            "is required, because oauthguard.client_id is set, and its list is not valid for this issuer",
            "repeat the list, with this issuer's clients",
        )
    return _complete(named)


def _complete(parsed: GuardSettings) -> GuardSettings:
    """With what follows from several of its fields."""
    parsed = complete_network(parsed)
    template = find_template(parsed)
    any_tenant = template is not None and template.values is None
    scopes = _find_trusted(parsed.scopes or (ANY,))
    return replace(
        parsed,
        template=template,
        is_restricted=template is not None or scopes is not None,
        trusted_scopes=scopes,
        trusted_roles=_find_trusted(parsed.roles or (() if any_tenant else (ANY,))),
    )


def _find_trusted(words: tuple[str, ...]) -> frozenset[str] | None:
    return None if words == (ANY,) else frozenset(words)


def _list_given(settings: Mapping[str, Any], *names: str) -> list[str]:
    """Which of ``names`` have a value; ``issuer`` if none is named."""
    wanted = names or ("issuer",)
    return [name for name in wanted if str(settings.get(f"{PREFIX}.{name}") or "").strip()]


def _check_introspection(parsed: GuardSettings) -> None:
    method = parsed.introspection_auth_method
    wanted = _CREDENTIALS.get(method, "introspection.client_secret")
    is_asked = parsed.introspection_client_id or method in _CREDENTIALS
    if is_asked and method != "none" and not getattr(parsed, wanted.replace(".", "_")):
        by = "introspection.auth_method" if method in _CREDENTIALS else "introspection.client_id"
        raise SettingError(
            parsed.name_key(wanted),
            f"is required with {parsed.name_key(by)}" + (f" = {method}" if method in _CREDENTIALS else ""),
            f"or set {parsed.name_key('introspection.auth_method')} = none",
        )
    if not {"\r", "\n", "\0"}.isdisjoint(parsed.introspection_client_secret or ""):
        hint = "look at the file: it may be another one than you meant"
        raise SettingError(parsed.name_key("introspection.client_secret"), "must be one line of text", hint)
    if method == "http_basic" and ":" in (parsed.introspection_client_id or ""):
        problem = f"must have no colon with {parsed.name_key('introspection.auth_method')} = {method}"
        raise SettingError(parsed.name_key("introspection.client_id"), problem, "what follows it would be the password")
    if method == "private_key_jwt" and not parsed.introspection_client_id:
        raise SettingError(
            parsed.name_key("introspection.client_id"),
            f"is required with {parsed.name_key('introspection.auth_method')} = {method}",
            "the assertion says who we are",
        )


def _check_sources(parsed: GuardSettings) -> None:
    if parsed.cors_origins and any(word.startswith("cookie:") for word in parsed.token_source):
        raise SettingError(
            f"{PREFIX}.cors_origins",
            f"can't be set with a cookie in {parsed.name_key('token_source')}",
            "remove one of them: a page of another origin must not call what a cookie opens",
        )
    if parsed.trusted_proxies or not any(word.startswith("header:") for word in parsed.token_source):
        return
    raise SettingError(
        f"{PREFIX}.trusted_proxies",
        f"is required with a header of a proxy in {parsed.name_key('token_source')}",
        "any caller could send that header: list the addresses of the proxies",
    )


def _check_audience_by_client(parsed: GuardSettings) -> None:
    if parsed.audience_by_client and not parsed.client_id:
        raise SettingError(
            parsed.name_key("client_id"),
            f"is required with {parsed.name_key('audience_by_client')}",
            "list the clients whose tokens are for this API",
        )


def _check_cache_secret(parsed: GuardSettings) -> None:
    secret, problem = parsed.cache_secret, ""
    if secret is None:
        return
    if len(secret) < MIN_CACHE_SECRET_CHARACTERS or len(set(secret)) < _MIN_DIFFERENT:
        problem = f"must have at least {MIN_CACHE_SECRET_CHARACTERS} characters, {_MIN_DIFFERENT} of them different"
    elif any(secret.startswith(secret[length:]) for length in range(1, len(secret) // 2 + 1)):
        problem = "must not repeat the same characters"
    elif parsed.is_public(secret):
        problem = "must not be the value of a setting that is not secret"
    if problem:
        hint = 'make one: python -c "import secrets; print(secrets.token_urlsafe(32))"'
        raise SettingError(parsed.name_key("cache.secret"), problem, hint)


def _check_cache_locks(parsed: GuardSettings) -> None:
    """Check that no lock file of a cache has another use: a thread that holds it for the keys would wait for itself at the
    metadata, or when it reads the cache."""
    found: dict[str, str] = {}
    for argument, name in product(("dogpile_lockfile", "rw_lockfile"), CACHES):
        file = getattr(parsed, f"cache_{name}").get(f"arguments.{argument}")
        if not isinstance(file, str):
            continue
        key, place = parsed.name_key(f"cache.{name}.arguments.{argument}"), os.path.realpath(file)
        if place in found:
            problem = f"is also the file of {found[place]}: a request would wait for itself"
            raise SettingError(
                key, problem, "remove both: each cache has a lock file of its own beside arguments.filename"
            )
        if argument == "dogpile_lockfile":  # one file of entries may have one rw_lockfile for several caches
            found[place] = key


def _check_key_lifetime(parsed: GuardSettings) -> None:
    """Check that keys do not expire before they may be fetched again."""
    lifetime = parsed.find_expiration("jwks", KEY_LIFETIME_SECONDS)
    if lifetime >= parsed.keys_cooldown:
        return
    name = "cache.jwks.expiration_time" if "expiration_time" in parsed.cache_jwks else "keys.cooldown"
    raise SettingError(
        parsed.name_key(name),
        f"keys would expire after {lifetime:g} s, but may be fetched again only after {parsed.keys_cooldown:g} s",
        f"{parsed.name_key('cache.jwks.expiration_time')} must be at least {parsed.name_key('keys.cooldown')}",
    )
