"""The types of settings, as the documentation names them: read from the converters of the tables."""

from __future__ import annotations

from collections.abc import Callable
from inspect import getclosurevars
from typing import Any, Final

from pyramid_oauthguard.settings import Setting

#: By the name of the converter.
_TYPES: Final = {
    "as_bool": "`true` or `false` (also `on`, `yes`, `1`, and their opposites)",
    "as_duration": "duration: seconds, or `30s`, `5m`, `1h`, `7d`",
    "as_duration_within": "duration: seconds, or `30s`, `5m`, `1h`, `7d`",
    "as_file": "path of a file",
    "as_home": "path or URL",
    "as_implications": "lines of `scope = contained scopes`",
    "as_int": "whole number",
    "as_issuer": "URL",
    "as_languages": "list, separated by white space",
    "as_list": "list, separated by white space",
    "as_origins": "list of origins, separated by white space",
    "as_path": "path of a URL",
    "as_permission": "name of a permission",
    "as_rate": "rate: `20/1m`, or `0` for no limit",
    "as_scope_names": "list of scopes, separated by white space",
    "as_scopes": "lines of `name = description`",
    "as_some_of": "list, separated by white space",
    "as_str": "text",
    "as_url": "URL",
    "as_audience": "list, separated by white space",
    "as_ca_file": "path of a PEM file",
    "as_cache": "group of settings",
    "as_once_store": "group of settings",
    "as_callable": "dotted name of a function",
    "as_count": "whole number, 1 or more",
    "as_prefix": "whole number",
    "as_names": "list of names, separated by white space",
    "as_token_prefix": "text",
    "as_principals": "list of principals, separated by white space",
    "as_realm": "text",
    "as_size": "number of bytes",
    "as_places": "list, separated by white space",
    "as_timeout": "duration: seconds, or `30s`, `5m`",
    "as_retention": "duration of at least 30 days, such as `400d`",
    "as_claims": "list, separated by white space",
    "as_address": "URL",
    "as_insecure_hosts": "list of hosts, separated by white space",
    "as_key_uses": "list, separated by white space",
    "as_no_proxy": "list of hosts, separated by white space or commas",
    "as_public_key_file": "path of a file",
    "as_signing_key_file": "path of a file",
    "as_token_file": "path of a file",
    "as_networks": "list of addresses and networks, separated by white space",
    "as_token_sources": "list, separated by white space",
    "dict": "group of settings",
}


def find_type(row: Setting) -> str | None:
    """Return what kind of value a setting has; None where the converter is not known."""
    name = row.convert.__qualname__
    if name.startswith("as_choice."):
        return " or ".join(f"`{choice}`" for choice in _find_choices(row.convert))
    return _TYPES.get(name.partition(".")[0].lstrip("_"))


def _find_choices(convert: Callable[[Any], Any]) -> tuple[str, ...]:
    choices: tuple[str, ...] = getclosurevars(convert).nonlocals["choices"]
    return choices
