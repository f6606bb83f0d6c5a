"""The settings of the authorization server: one table, the only place where a key is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

from ...errors import SettingError
from ...settings import REQUIRED, Setting, as_bool, as_choice, as_duration, as_int, as_list, as_str, as_url, parse
from ..addresses import IPV6_PREFIX
from ..grant_types import OWNED_GRANTS, GrantDeclaration, RegistrationError, as_grant, check_scope
from ..rates import Rate, as_rate
from ..time_limits import TimeLimits
from .administration import ADMIN_ROWS, check_admin_scope
from .assertions import ROW, AssertionIssuer, take_assertions
from .endpoint_paths import ENDPOINT_NAMES, check_paths
from .pages import PAGE_ROWS, PageSettings, take_pages
from .self_registration import ROWS, SelfRegistration, take_self_registration

__all__ = [
    "PREFIX",
    "TABLE",
    "ServerSettings",
    "as_issuer",
    "as_path",
    "as_scopes",
    "find_named_grants",
    "parse_settings",
]

PREFIX: Final = "oauthguard.server"
_DAY_SECONDS: Final = 86400.0
_MIN_PREFIX_BITS: Final = 32  # providers get networks of this size
_KEY_SET_SECONDS: Final = 120  # by our other processes, and by caches of the key set


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """``oauthguard.server.*`` as values; durations are seconds. The table says what each means."""

    issuer: str
    path: str
    paths: Mapping[str, str]
    audience: tuple[str, ...]
    scopes: Mapping[str, str]
    default_scopes: tuple[str, ...]
    narrow_scopes: bool
    grants: tuple[str, ...]
    access_token_format: str
    access_token_ttl: float
    refresh_token_ttl: float
    refresh_token_max_age: float
    refresh_reuse_grace: float
    code_ttl: float
    device_code_ttl: float
    device_interval: float
    require_pkce: bool
    user_names_in_tokens: bool
    revocation_cascade: bool
    sqlalchemy_url: str = field(repr=False)
    pepper_file: Path | None
    database_connect_timeout: float
    database_statement_timeout: float
    database_lock_timeout: float | None
    database_pool_timeout: float
    signing_algorithm: str
    signing_rotation: float
    signing_lead: float
    admin: tuple[str, ...]
    admin_scope: str | None
    audit_retention: float | None
    limits: bool
    limits_failures: Rate | None
    limits_token: Rate | None
    limits_introspection: Rate | None
    limits_revocation: Rate | None
    limits_device_authorization: Rate | None
    limits_registration: Rate | None
    limits_documents: Rate | None
    limits_sign_in: Rate | None
    limits_ipv6_prefix: int
    limits_cache: Mapping[str, Any] | None
    self_registration: SelfRegistration
    pages: PageSettings
    assertions: tuple[AssertionIssuer, ...] = ()

    @property
    def origin(self) -> str:
        """Scheme and host of the issuer: the beginning of every endpoint's URL, independent of the Host header."""
        parts = urlsplit(self.issuer)
        return f"{parts.scheme}://{parts.netloc}"

    def find_path(self, endpoint: str) -> str:
        """The path of an endpoint: its own, or below ``path``."""
        return self.paths.get(endpoint, f"{self.path}/{endpoint}")

    @property
    def time_limits(self) -> TimeLimits:
        """How long the database may take."""
        return TimeLimits(
            connect=self.database_connect_timeout,
            statement=self.database_statement_timeout,
            lock=self.database_lock_timeout,
            pool=self.database_pool_timeout,
        )


def as_issuer(value: Any) -> str:
    """An issuer identifier (RFC 8414 section 2): https, http for loopback; neither query nor fragment."""
    url = as_url(value)
    if "?" in url:
        raise ValueError("must not have a query (RFC 8414 section 2)")
    return url


def as_path(value: Any) -> str:
    """The path that the endpoints are below, beginning with one slash and not ending in one."""
    path = as_str(value).rstrip("/")
    if not path.startswith("/") or any(char in path for char in "{}*?# ") or "//" in path:
        raise ValueError(f"must be a path such as /oauth, not {value!r}")
    return path


def as_scopes(value: Any) -> Mapping[str, str]:
    """``name = description`` lines; a line without a description is described by its name."""
    if isinstance(value, Mapping):
        lines = [(str(name), str(text)) for name, text in value.items()]
    else:
        parts = [line.partition("=") for line in as_str(value).splitlines() if line.strip()]
        lines = [(name.strip(), text.strip()) for name, _equals, text in parts]
    for name, _text in lines:
        _check_scope(name)
    if len({name for name, _text in lines}) != len(lines):
        raise ValueError("names a scope twice")
    return {name: text or name for name, text in lines}


def _check_scope(name: str) -> None:
    try:
        check_scope(name)
    except RegistrationError as error:
        raise ValueError(f"{error.problem}; write one `name = description` a line") from None


def _as_scope_names(value: Any) -> tuple[str, ...]:
    names = as_list(value)
    for name in names:
        _check_scope(name)
    return names


def _as_audience(value: Any) -> tuple[str, ...]:
    names = as_list(value)
    if not names:
        raise ValueError("must name at least one audience")
    return tuple(dict.fromkeys(names))


def _as_file(value: Any) -> Path:
    return Path(as_str(value)).absolute()


def _as_prefix(value: Any) -> int:
    bits = as_int(value)
    if not _MIN_PREFIX_BITS <= bits <= 128:
        raise ValueError(f"must be {_MIN_PREFIX_BITS} to 128 bits, not {value!r}")
    return bits


TABLE: tuple[Setting, ...] = (
    Setting("issuer", as_issuer, REQUIRED, "Issuer identifier: https, or http for loopback hosts; in metadata and in every token, byte for byte as written here."),
    Setting("path", as_path, "/oauth", "The path below which the endpoints are."),
    *(
        Setting(f"path.{name}", as_path, None, f"The path of the endpoint `{name}` alone, such as `/services/oauth2/{name}`. Clients find it in the metadata.")
        for name in ENDPOINT_NAMES
    ),
    Setting("audience", _as_audience, REQUIRED, "Audience of the tokens of clients without audiences: the identifier of your API, the value of `oauthguard.audience` there, such as `https://api.example.com`."),
    Setting("scopes", as_scopes, {}, "The scopes that exist, `name = description` a line; the description is what users read when they are asked."),
    Setting("default_scopes", _as_scope_names, (), "The scopes of a request without `scope`, if its client may have them; without this setting such a request is refused (RFC 6749 section 3.3)."),
    Setting("narrow_scopes", as_bool, False, "A client that asks for more scopes than it may have gets those that it may have, and `scope` in the answer says so. If none is left, the error is `invalid_scope`. `off`: one scope too many is an error."),
    Setting("grants", as_list, None, "Grant types that are on: `client_credentials`, …; without it, all grants."),
    Setting("access_token_format", as_choice("jwt", "opaque"), "jwt", "`jwt` (RFC 9068) or `opaque`, which only introspection can read."),
    Setting("access_token_ttl", as_duration, 600.0, "How long an access token lives."),
    Setting("refresh_token_ttl", as_duration, 14 * _DAY_SECONDS, "How long a refresh token lives without being used."),
    Setting("refresh_token_max_age", as_duration, 90 * _DAY_SECONDS, "How long a chain of refresh tokens lives at the most, however often it is used."),
    Setting("refresh_reuse_grace", as_duration, 10.0, "For how long the refresh token just replaced may be sent again, for answers that got lost. It begins when the replacement is committed."),
    Setting("code_ttl", as_duration, 60.0, "How long an authorization code lives."),
    Setting("device_code_ttl", as_duration, 600.0, "How long a device waits for its user to type the code (RFC 8628)."),
    Setting("device_interval", as_duration, 5.0, "How long a device has to wait between two polls; one that polls too early has to wait longer."),
    Setting("require_pkce", as_bool, True, "Every client must use PKCE with S256 (RFC 9700 section 2.1.1). `false` frees confidential clients if the redirect URI is https on a host that is not loopback."),
    Setting("user_names_in_tokens", as_bool, False, "Put the user's name, if the application has the hook for it, into access tokens as `preferred_username` (RFC 9068 section 2.2.2), so that a command line can show who signed in. The price: every API that gets a token can read the name."),
    Setting("revocation.cascade", as_bool, True, "Revoking an access token ends its refresh token and all other tokens of the grant (RFC 7009 section 2.1); revoking a refresh token always does."),
    *ROWS,
    ROW,
    Setting("sqlalchemy.url", as_str, "sqlite:///oauthguard.sqlite", "The database, as SQLAlchemy writes it; the tables of a SQLite database are made at start-up.", secret=True),
    Setting("pepper_file", _as_file, None, "Key of the hashes at rest. Made at the first start, readable by its owner only, while the database is empty; without it, `<database>.pepper` beside a SQLite file; required with any other database. What is stored is lost without it: back it up, apart from the database."),
    Setting("database.connect_timeout", as_duration, 2.0, "How long PostgreSQL may take to accept a connection. With psycopg, half of it is the limit for the check whether a pooled connection is alive. libpq rounds less than 2 seconds up to 2. `0` for no limit, here and below. Values in the query of `sqlalchemy.url` take precedence over these settings."),
    Setting("database.statement_timeout", as_duration, 3.0, "How long PostgreSQL may take for a statement. With psycopg, a connection that has no answer half a second later is closed: so a server that is stopped or cut off is answered 503, too."),
    Setting("database.lock_timeout", as_duration, None, "How long a statement waits for a lock of another transaction. By default `2s`, and `10s` with SQLite, where only one transaction can write at a time."),
    Setting("database.pool_timeout", as_duration, 2.0, "How long a request waits for one of the 15 connections of this process."),
    Setting("signing.algorithm", as_choice("RS256", "ES256", "EdDSA"), "RS256", "What access tokens are signed with; a change makes a new key."),
    Setting("signing.rotation", as_duration, 90 * _DAY_SECONDS, "Age at which a signing key is replaced; 0 for never."),
    Setting("signing.lead", as_duration, _DAY_SECONDS, "How long a signing key is published before it signs: longer than anyone keeps the key set."),
    *PAGE_ROWS,
    *ADMIN_ROWS,
    Setting("limits", as_bool, True, "Turns all limits on or off; a request over a limit is answered 429 with `Retry-After`. Addresses are those that the WSGI server sees: behind a proxy, tell it to trust the proxy. Callers whose address it does not know, as behind a Unix socket, are limited per client alone; a public client, whose id any caller can send, is limited in new device codes only."),
    Setting("limits.failures", as_rate, Rate(20, 60.0), "Failed client authentications per client and address, and as many refused requests for grants that the application added; five times that per address. At this limit, only secrets that this server made and signatures are still checked: they cannot be guessed. `0` for no limit, here and below."),
    Setting("limits.token", as_rate, Rate(1200, 60.0), "Token requests per client and address."),
    Setting("limits.introspection", as_rate, Rate(60000, 60.0), "Introspections per resource server and address."),
    Setting("limits.revocation", as_rate, Rate(1200, 60.0), "Revocations per client and address."),
    Setting("limits.device_authorization", as_rate, Rate(60, 60.0), "Device codes per client and address."),
    Setting("limits.registration", as_rate, Rate(20, 3600.0), "Registrations of clients per address, counted together where the address is not known."),
    Setting("limits.documents", as_rate, Rate(30, 3600.0), "Documents of clients that are read for one user; ten times that from one host."),
    Setting("limits.sign_in", as_rate, Rate(10, 60.0), "Sign-in attempts per user and address, where the application counts them; five times that per address."),
    Setting("limits.ipv6_prefix", _as_prefix, IPV6_PREFIX, "Addresses of IPv6 whose first bits are the same count as one address: 32 to 128 bits. Your callers' networks may be larger, such as 56 or 48."),
    Setting("limits.cache.*", dict, None, "Where tries are counted: a dogpile.cache `backend` with its `arguments.*`, such as Redis, so that all processes count together. Each process counts in its own memory, too, and uses that count while the cache fails."),
)  # fmt: skip  # one row a line reads as the table it is


def find_named_grants(settings: Mapping[str, Any], declared: Mapping[str, GrantDeclaration]) -> frozenset[str]:
    """The grant types that the setting ``grants`` names, known or not."""
    try:
        return frozenset(as_grant(name, declared) for name in as_list(settings.get(f"{PREFIX}.grants") or ""))
    except ValueError:  # :func:`parse_settings` reports the error
        return frozenset()


def parse_settings(
    settings: Mapping[str, Any],
    *,
    known_grants: frozenset[str],
    declared: Mapping[str, GrantDeclaration] = MappingProxyType({}),
) -> ServerSettings:
    """Read ``oauthguard.server.*``.

    :param known_grants: the grant types that can be on.
    :param declared: all grants that are built in or were added by the application, by grant type.
    :raises SettingError: naming the key that is missing, unknown or wrong.
    """
    try:
        found = parse(TABLE, settings, PREFIX, into=_Draft)
    except SettingError as error:
        guarded = " ".join(str(settings.get("oauthguard.audience") or "").split())
        if (error.key, error.problem) != (f"{PREFIX}.audience", "is required") or not guarded:
            raise
        hint = f"set it to the value of oauthguard.audience: {guarded}"
        raise SettingError(error.key, error.problem, hint) from None
    named = found.values["grants"]
    chosen = None if named is None else tuple(dict.fromkeys(as_grant(name, declared) for name in named))
    for grant in chosen or ():
        if grant not in known_grants:
            needs = "it needs config.set_resource_owner" if grant in OWNED_GRANTS else ""
            raise SettingError(f"{PREFIX}.grants", f"{grant!r} is not one of {', '.join(sorted(known_grants))}", needs)
    for scope in found.values["default_scopes"]:
        if scope not in found.values["scopes"]:
            raise SettingError(f"{PREFIX}.default_scopes", f"{scope!r} is not in {PREFIX}.scopes")
    _check_lives(found.values)
    _check_signing(found.values)
    check_admin_scope(found.values, prefix=PREFIX)
    paths = {name: path for name in ENDPOINT_NAMES if (path := found.values.pop(f"path_{name}")) is not None}
    check_paths(paths, found.values["path"], prefix=PREFIX)
    of_clients, values = take_self_registration(found.values, prefix=PREFIX, scopes=found.values["scopes"])
    values["grants"] = tuple(sorted(known_grants)) if chosen is None else chosen
    pages, values = take_pages(values)
    del values["assertions"]
    trusted = take_assertions(settings, prefix=PREFIX, issuer=values["issuer"], scopes=values["scopes"])
    return ServerSettings(**values, paths=paths, self_registration=of_clients, pages=pages, assertions=trusted)


def _check_lives(values: Mapping[str, Any]) -> None:
    for life in ("access_token_ttl", "refresh_token_ttl", "refresh_token_max_age", "code_ttl", "device_code_ttl"):
        if values[life] < 1:
            raise SettingError(f"{PREFIX}.{life}", "must be at least a second")


def _check_signing(values: Mapping[str, Any]) -> None:
    lead, rotation = values["signing_lead"], values["signing_rotation"]
    if lead < _KEY_SET_SECONDS:
        raise SettingError(
            f"{PREFIX}.signing.lead", f"must be at least {_KEY_SET_SECONDS} seconds: key sets are cached for this long"
        )
    if 0 < rotation <= lead:
        raise SettingError(f"{PREFIX}.signing.rotation", "must be longer than signing.lead, or 0")


class _Draft:
    """The settings as written, before the values that depend on others are filled in."""

    def __init__(self, **values: Any) -> None:
        self.values = values
