"""The issuers whose assertions are accepted (RFC 7523 section 2.1): a table of keys for each."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ...errors import SettingError
from ...jwt.algorithms import ALGORITHMS
from ...network.meaning import complete_network
from ...network.values import (
    as_address,
    as_ca_file,
    as_insecure_hosts,
    as_key_uses,
    as_no_proxy,
    as_public_key_file,
    as_size,
    as_timeout,
    as_token_file,
)
from ...settings import (
    Setting,
    as_bool,
    as_callable,
    as_duration,
    as_duration_within,
    as_list,
    as_some_of,
    as_str,
    parse,
)

__all__ = ["OF_CLIENTS", "ROW", "AssertionIssuer", "has_assertions", "take_assertions"]

#: The table of clients that assert their own users.
OF_CLIENTS: Final = "clients"
ROW: Final = Setting("assertions.*", dict, None, "Issuers whose assertions are accepted (RFC 7523): `assertions.NAME.issuer = https://…` and further keys for each. `assertions.clients.*` is for clients that assert their own users with their own keys.")  # fmt: skip
_HOUR_SECONDS: Final = 3600.0
_DAY_SECONDS: Final = 86_400.0
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
#: Keys, or how they begin, of what a table of clients has no use for.
_OF_ISSUERS: Final = ("issuer", "metadata_url", "jwks_uri", "jwks_file", "key_uses", "http.", "keys.")


@dataclass(frozen=True, slots=True, kw_only=True)
class AssertionIssuer:
    """One trusted issuer of assertions; the table says what each value means.

    :ivar prefix: what its keys begin with, such as ``oauthguard.server.assertions.partner``.
    :ivar scopes: None: any.
    """

    name: str
    prefix: str
    issuer: str | None
    metadata_url: str | None
    jwks_uri: str | None
    jwks_file: str | None
    algorithms: tuple[str, ...]
    leeway: float
    subject: Callable[[str, Any, Mapping[str, Any]], str | None] | None
    scopes: tuple[str, ...] | None
    audience: tuple[str, ...]
    client_id: tuple[str, ...]
    max_life: float
    access_token_ttl: float | None
    refresh_tokens: bool
    key_uses: tuple[str, ...]
    http_timeout: float
    http_max_bytes: int
    http_ca_file: str | None
    http_insecure_hosts: frozenset[str]
    http_proxy: Any = field(repr=False)
    http_no_proxy: tuple[str, ...] | None
    http_headers: Any = field(repr=False)
    http_bearer_token_file: str | None
    keys_cooldown: float
    keys_max_stale: float

    def name_key(self, name: str) -> str:
        """How ``name`` (``"jwks_uri"``) is written in the ini file for this issuer."""
        return f"{self.prefix}.{name}"


_TABLE: Final = (
    Setting("issuer", as_str, None, "Compared byte for byte with `iss`."),
    Setting("metadata_url", as_address, None, "Where its metadata are, if not at its well-known URLs."),
    Setting("jwks_uri", as_address, None, "Where its keys are, if not where its metadata say."),
    Setting("jwks_file", as_public_key_file, None, "A file with its keys, instead of fetching them."),
    Setting("key_uses", as_key_uses, ("sig",), "Values of a key's `use` that are accepted for signatures."),
    Setting("algorithms", as_some_of("algorithm", ALGORITHMS), ALGORITHMS, "Accepted signature algorithms."),
    Setting("leeway", as_duration_within(0, 300, "at most 5 minutes"), 30.0, "Clock skew, 5 minutes at most."),
    Setting("subject", as_callable, None, "Dotted name of `callable(issuer, client, claims)`: the `sub` of a user, or None."),
    Setting("scopes", as_list, (), "The only scopes that are granted, or `any`."),
    Setting("audience", as_list, (), "The only APIs that tokens are for; by default, those of the client."),
    Setting("client_id", as_list, (), "The only clients that may present its assertions; by default, all of the grant."),
    Setting("max_life", as_duration_within(1, _HOUR_SECONDS, "1 second to 1 hour"), _HOUR_SECONDS, "How far away `exp` may be."),
    Setting("access_token_ttl", as_duration, None, "How long the access tokens live at the most."),
    Setting("refresh_tokens", as_bool, False, "Whether clients that may have refresh tokens get one."),
    Setting("http.timeout", as_timeout, 5.0, "Seconds for one call."),
    Setting("http.max_bytes", as_size, 1_048_576, "A longer answer is refused."),
    Setting("http.ca_file", as_ca_file, None, "Certificate authorities."),
    Setting("http.insecure_hosts", as_insecure_hosts, frozenset(), "Hosts that may be asked without TLS."),
    Setting("http.proxy", as_str, None, "The proxy for requests with TLS, or `off`. Without it, that of the environment.", secret=True),
    Setting("http.no_proxy", as_no_proxy, None, "Hosts that are asked without the proxy."),
    Setting("http.headers", as_str, {}, "Additional headers, one `Name: value` a line.", secret=True),
    Setting("http.bearer_token_file", as_token_file, None, "A file with a token that the requests carry."),
    Setting("keys.cooldown", as_duration_within(0, _HOUR_SECONDS, "at most 1 hour"), 30.0, "Seconds between two attempts to fetch keys."),
    Setting("keys.max_stale", as_duration, 86_400.0, "How long the last good keys serve."),
)  # fmt: skip


def has_assertions(settings: Mapping[str, Any], *, prefix: str = "oauthguard.server") -> bool:
    """Whether any issuer of assertions is trusted."""
    return any(key.startswith(f"{prefix}.assertions.") for key in settings)


def take_assertions(
    settings: Mapping[str, Any], *, prefix: str, issuer: str, scopes: Collection[str]
) -> tuple[AssertionIssuer, ...]:
    """The tables in these settings.

    :param issuer: of this server, which is never trusted.
    :param scopes: the scopes that exist.
    :raises SettingError: naming the key that is missing, unknown or wrong.
    """
    base = f"{prefix}.assertions"
    names = sorted({key[len(base) + 1 :].partition(".")[0] for key in settings if key.startswith(f"{base}.")})
    found = tuple(_read(settings, base, name) for name in names)
    for each in found:
        _check_issuer(each, issuer, [other.issuer for other in found if other is not each])
        _check_rights(each, scopes)
    return tuple(complete_network(each) for each in found)


def _read(settings: Mapping[str, Any], base: str, name: str) -> AssertionIssuer:
    if not _NAME.fullmatch(name):
        raise SettingError(f"{base}.{name}", "must be a name of 1 to 32 letters, digits, _ and -")
    if name == OF_CLIENTS:
        _check_clients(settings, f"{base}.{name}.")

    def build(**values: Any) -> AssertionIssuer:
        wanted = None if values["scopes"] == ("any",) else values["scopes"]
        return AssertionIssuer(**{**values, "name": name, "prefix": f"{base}.{name}", "scopes": wanted})

    return parse(_TABLE, settings, f"{base}.{name}", into=build)  # type: ignore[arg-type]  # a function that builds it


def _check_clients(settings: Mapping[str, Any], prefix: str) -> None:
    """What has no effect is refused: the operator could rely on it."""
    given = [key for key in settings if key.startswith(tuple(prefix + name for name in _OF_ISSUERS))]
    if given:
        raise SettingError(min(given), "clients use the keys of their registration")


def _check_issuer(each: AssertionIssuer, own: str, others: list[str | None]) -> None:
    key = each.name_key("issuer")
    if each.name == OF_CLIENTS:
        return
    if each.issuer is None:
        raise SettingError(key, "is required")
    if each.issuer == own:
        raise SettingError(key, "is this server's own issuer, whose tokens are not assertions")
    if each.issuer in others:
        raise SettingError(key, "is also the issuer of another name")
    if "{" in each.issuer:
        raise SettingError(key, "must be the identifier of one issuer, without a placeholder")


def _check_rights(each: AssertionIssuer, scopes: Collection[str]) -> None:
    key, life = each.name_key("scopes"), each.access_token_ttl
    if each.scopes == ():
        raise SettingError(key, "is required", "name the only scopes that are granted, or write any")
    unknown = [scope for scope in each.scopes or () if scope not in scopes]
    if unknown:
        raise SettingError(key, f"{unknown[0]!r} is not in the scopes of the server")
    if life is not None and not 1 <= life <= _DAY_SECONDS:
        raise SettingError(each.name_key("access_token_ttl"), "is too short or too long")
