"""The tables of named issuers: what they inherit, and what can't be meant."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from ...errors import SettingError
from ...issuers.template import IssuerTemplate
from .parsed import GuardSettings
from .table import ANY, OF_APPLICATION, PREFIX, TABLE, is_inherited

__all__ = ["check_differences", "check_issuer", "check_names", "find_below", "find_template", "inherit", "split_tables"]

_FILE: Final = "_file"


def find_below(settings: Mapping[str, Any], start: str) -> dict[str, Any]:
    """The settings whose keys begin with ``start``, by the rest of their keys."""
    return {key.removeprefix(start): value for key, value in settings.items() if key.startswith(start)}


def split_tables(settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """What is common to all issuers, and the table of each named issuer; in one pass, for there may be many."""
    common: dict[str, Any] = {}
    tables: dict[str, dict[str, Any]] = {}
    for key, value in find_below(settings, f"{PREFIX}.").items():
        start, _, rest = key.partition(".")
        if start != "issuers" or not rest:
            common[key] = value
        else:
            name, _, own = rest.partition(".")
            tables.setdefault(name, {})[own] = value
    return common, tables


def inherit(common: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """The table of a named issuer: its own keys, and those that it inherits.

    A secret and its file are one setting. A cache with a backend of its own inherits no arguments of another one.
    """
    given = {key.removesuffix(_FILE) for key, value in own.items() if _is_given(value)}
    backends = tuple(f"{key.removesuffix('backend')}" for key in given if key.endswith(".backend"))
    taken = {
        key: value
        for key, value in common.items()
        if is_inherited(key.removesuffix(_FILE))
        and key.removesuffix(_FILE) not in given
        and not (backends and key.startswith(backends) and ".arguments." in key)
    }
    return {**taken, **own}


def find_template(settings: GuardSettings) -> IssuerTemplate | None:
    """The template that ``issuer`` is, or None where it has no placeholder. :raises SettingError: it can't be used."""
    key = settings.name_key("issuer_values")
    if "{" not in settings.issuer:
        if settings.issuer_values:
            hint = "write the placeholder as {tid}, with the name of a claim"
            raise SettingError(key, f"needs {settings.name_key('issuer')} to have a placeholder", hint)
        return None
    if not settings.issuer_values:
        hint = "list the values that may stand for the placeholder, or write any"
        raise SettingError(key, f"is required, because {settings.name_key('issuer')} has a placeholder", hint)
    values = None if settings.issuer_values == (ANY,) else settings.issuer_values
    if values is not None and ANY in values:
        raise SettingError(key, f"{ANY} stands alone", "list the values, or write any")
    try:
        return IssuerTemplate.parse(settings.issuer, values)
    except ValueError as error:
        name = "issuer" if "placeholder" in str(error) else "issuer_values"
        raise SettingError(settings.name_key(name), str(error)) from error


def check_names(common: GuardSettings, given: Mapping[str, Any], tables: Mapping[str, Mapping[str, Any]]) -> None:
    """Every table belongs to a name, and what concerns the plain issuer is not set without one. :raises SettingError:"""
    for name in tables.keys() - set(common.issuers):
        for key in sorted(f"{name}.{own}" for own in tables[name]):
            near = difflib.get_close_matches(name, common.issuers, 1)
            hint = f"did you mean {near[0]}?" if near else "add the name there"
            raise SettingError(f"{PREFIX}.issuers.{key}", f"{name!r} is not one of {PREFIX}.issuers", hint)
    if common.issuer:
        return
    own = {row.name for row in TABLE} - OF_APPLICATION - {"client_id"}
    for key, value in given.items():
        name = key if key in own else key.removesuffix(_FILE)
        if name in own and not is_inherited(name) and _is_given(value):
            hint = f"it is not inherited: set {PREFIX}.issuers.NAME.{key} for each issuer that needs it"
            raise SettingError(f"{PREFIX}.{key}", f"concerns {PREFIX}.issuer, which is not set", hint)


def check_issuer(settings: GuardSettings) -> None:
    """:raises SettingError: settings of one issuer contradict each other."""
    for name in ("scopes", "roles"):
        words = getattr(settings, name)
        if ANY in words and len(words) > 1:
            raise SettingError(settings.name_key(name), f"{ANY} stands alone", f"list the {name}, or write any")
    if settings.template is not None:
        _check_template(settings, settings.template)


def _check_template(settings: GuardSettings, template: IssuerTemplate) -> None:
    values = settings.name_key("issuer_values")
    if template.values is None and template.in_host:
        raise SettingError(values, "any is not possible with a placeholder in the host", "list the values")
    if template.values is None and not settings.shares_keys:
        raise SettingError(
            settings.name_key("jwks_uri"),
            f"is required with {values} = any: no address may depend on a token",
            "copy jwks_uri from the issuer's metadata",
        )
    asks = settings.introspection_client_id or settings.introspection_auth_method == "none"
    if asks:
        _check_shared_endpoint(settings, "introspection", settings.introspection_endpoint)
    if settings.userinfo_any_client:
        _check_shared_endpoint(settings, "userinfo", settings.userinfo_endpoint)
    if settings.token_prefix and not settings.shares_keys:
        raise SettingError(
            settings.name_key("token_prefix"),
            "says of which template an opaque token is, but not of which tenant",
            f"set {settings.name_key('jwks_uri')} and {settings.name_key('introspection.endpoint')}",
        )


def _check_shared_endpoint(settings: GuardSettings, name: str, endpoint: str | None) -> None:
    """Tenants that share keys share this endpoint, too: the metadata of one tenant must not say where tokens of all are sent."""
    if settings.shares_keys and not (endpoint or settings.metadata_url):
        raise SettingError(
            settings.name_key(f"{name}.endpoint"),
            f"is required, because {settings.name_key('issuer')} has a placeholder and {settings.name_key('jwks_uri')} is set",
            f"copy {name}_endpoint from the issuer's metadata",
        )


def check_differences(issuers: Sequence[GuardSettings]) -> None:
    """:raises SettingError: a token could be one of two issuers."""
    exact: dict[str, GuardSettings] = {}
    for each in issuers:
        if each.template is None and exact.setdefault(each.issuer, each) is not each:
            raise _describe_overlap(exact[each.issuer], each)
    templates = [each for each in issuers if each.template is not None]
    for number, one in enumerate(templates):
        for other in (*templates[number + 1 :], *exact.values()):
            if _overlaps(one.template, other):
                raise _describe_overlap(one, other)
    _check_prefixes(sorted((each for each in issuers if each.token_prefix), key=lambda each: each.token_prefix or ""))
    _check_values(issuers)


def _check_values(issuers: Sequence[GuardSettings]) -> None:
    """The principals of a plain template begin with a value, those of a named issuer with its name: they must not be equal."""
    template = next((each.template for each in issuers if each.issuer_name is None), None)
    for each in issuers:
        name = each.issuer_name
        if template is not None and name is not None and template.find_value(template.fill(name)) is not None:
            text = f"{name!r} is also a value of the placeholder in {PREFIX}.issuer: their users would have the same principals"
            raise SettingError(f"{PREFIX}.issuers", text, "give the issuer with the placeholder a name, too")


def _overlaps(one: IssuerTemplate | None, other: GuardSettings) -> bool:
    if one is None:
        return False
    return one.find_value(other.issuer) is not None if other.template is None else one.overlaps(other.template)


def _describe_overlap(one: GuardSettings, other: GuardSettings) -> SettingError:
    text = f"accepts tokens of an issuer that {one.name_key('issuer')} accepts, too: {one.issuer}"
    return SettingError(other.name_key("issuer"), text, "name each issuer once")


def _check_prefixes(issuers: Sequence[GuardSettings]) -> None:
    """In their order, a prefix of another one is just before one that begins with it."""
    for one, other in pairwise(issuers):
        if (other.token_prefix or "").startswith(one.token_prefix or ""):
            text = f"{other.token_prefix!r} begins with {one.name_key('token_prefix')} ({one.token_prefix!r})"
            hint = "a token of one issuer must not look like a token of another"
            raise SettingError(other.name_key("token_prefix"), text, hint)


def _is_given(value: Any) -> bool:
    return value is not None and not (isinstance(value, str) and not value.strip())
