"""The table of ``oauthguard.*`` keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

from ..errors import SettingError
from ..issuers.settings import IssuerSettings
from ..jwt.algorithms import ALGORITHMS
from ..settings import REQUIRED, Setting, as_bool, as_choice, as_duration, as_int, as_list, as_str, as_url, parse
from .converters import (
    as_algorithms,
    as_audience,
    as_ca_file,
    as_cache,
    as_callable,
    as_count,
    as_implications,
    as_issuer,
    as_origins,
    as_realm,
    as_size,
    as_timeout,
)

__all__ = [
    "CACHES",
    "KEY_LIFETIME_SECONDS",
    "MIN_CACHE_SECRET_CHARACTERS",
    "PREFIX",
    "SWITCHES",
    "TABLE",
    "GuardSettings",
    "is_on",
    "parse_settings",
]

PREFIX: Final = "oauthguard"

#: The caches that `cache.NAME.*` configures.
CACHES: Final = ("metadata", "jwks", "introspection", "inactive")
#: Of a secret that is made for nothing but the caches: 32 random characters of base64 have 192 bits.
MIN_CACHE_SECRET_CHARACTERS: Final = 32
_MIN_DIFFERENT: Final = 8
#: Settings that other programs know, beside audiences and clients.
_PUBLIC: Final = (
    "issuer", "metadata_url", "jwks_uri", "introspection_endpoint", "introspection_client_id", "realm", "resource",
)  # fmt: skip

#: What is included or not; read before the other settings are parsed. The values are the defaults.
SWITCHES: Final[Mapping[str, bool]] = {"policy": True, "resource_metadata": False}

#: For how long metadata are kept by default.
METADATA_LIFETIME_SECONDS: Final = 86_400.0
#: For how long a key set serves by default; the issuer's ``max-age`` can shorten it.
KEY_LIFETIME_SECONDS: Final = 3_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardSettings:
    """What the guard was configured with; the fields are the keys with dots as underscores."""

    issuer: str
    audience: tuple[str, ...]
    client_id: tuple[str, ...]
    token_check: str
    profile: str
    algorithms: tuple[str, ...]
    leeway: float
    realm: str
    scope_claim: tuple[str, ...]
    role_claim: str | None
    principals: Any
    metadata_url: str | None
    jwks_uri: str | None
    introspection_endpoint: str | None
    introspection_client_id: str | None
    introspection_client_secret: str | None = field(repr=False)
    introspection_auth_method: str
    introspection_require_audience: bool
    introspection_max_in_flight: int | None
    http_timeout: float
    http_max_bytes: int
    http_ca_file: str | None
    cache_metadata: Mapping[str, Any]
    cache_jwks: Mapping[str, Any]
    cache_introspection: Mapping[str, Any]
    cache_inactive: Mapping[str, Any]
    cache_secret: str | None = field(repr=False)
    cache_trusted: bool
    cache_tokens_size: int
    keys_cooldown: float
    keys_max_stale: float
    policy: bool
    resource: str | None
    resource_metadata: bool
    resource_name: str | None
    resource_documentation: str | None
    scope_implies: Mapping[str, frozenset[str]]
    cors_origins: tuple[str, ...]
    #: The name of the issuer; None for the plain `issuer`, the only one so far.
    issuer_name: str | None = None
    #: The identifiers of the resources with a path prefix: audiences that are accepted below it and nowhere else.
    resource_audiences: tuple[str, ...] = ()

    def is_public(self, text: str) -> bool:
        """Whether ``text`` is the value of a setting that is not secret, without regard to case and a slash at the end."""
        public = (*(getattr(self, name) for name in _PUBLIC), *self.audience, *self.client_id)
        return _fold(text) in {_fold(each) for each in public if each}

    def find_expiration(self, cache: str, default: float) -> float:
        """Seconds after which entries of ``cache`` (``"jwks"``) expire."""
        options: Mapping[str, Any] = getattr(self, f"cache_{cache}")
        return float(options.get("expiration_time", default))

    def build_issuer_settings(self) -> IssuerSettings:
        """What concerns the issuer alone, and not what is accepted from it."""
        own = {each.name: getattr(self, each.name) for each in fields(IssuerSettings) if hasattr(self, each.name)}
        return IssuerSettings(**own, metadata_lifetime=self.find_expiration("metadata", METADATA_LIFETIME_SECONDS))


_CACHE_HELP = "A dogpile.cache region: `backend`, `expiration_time`, `arguments.*`. "

TABLE: Final = (
    Setting("issuer", as_issuer, REQUIRED, "Issuer identifier, compared byte for byte with `iss`; https, http only for loopback hosts."),
    Setting("audience", as_audience, REQUIRED, "Accepted audiences; the token's `aud` must name one of them."),
    Setting("client_id", as_list, (), "If given, the token's `client_id` (or `cid`, or `azp`) must be one of these."),
    Setting("token_check", as_choice("local", "remote"), "local", "The mode of views that do not set one."),
    Setting("profile", as_choice("generic", "rfc9068"), "generic", "`generic` takes typ absent, `JWT` or `at+jwt`; `rfc9068` takes `at+jwt` only and wants every claim that RFC 9068 requires."),
    Setting("algorithms", as_algorithms, ALGORITHMS, "Signature algorithms that are accepted; `none` and HS* are refused."),
    Setting("leeway", as_duration, 30.0, "Clock skew allowed for `exp`, `nbf` and `iat`."),
    Setting("realm", as_realm, "api", "The realm named in challenges."),
    Setting("scope_claim", as_list, ("scope", "scp"), "Claims that hold the scopes, the first present is used; a space-separated string or a list."),
    Setting("role_claim", as_str, None, "Dotted path of the claim that holds roles, such as `realm_access.roles`; gives `role:` principals."),
    Setting("principals", as_callable, None, "Dotted name of `callable(access_token, request)` that returns more principals."),
    Setting("metadata_url", as_url, None, "Where the issuer's metadata is, if not at its well-known URLs."),
    Setting("jwks_uri", as_url, None, "Where the issuer's keys are, if not where its metadata says."),
    Setting("introspection.endpoint", as_url, None, "Where tokens are introspected, if not where the metadata says."),
    Setting("introspection.client_id", as_str, None, "The client id of this application at the introspection endpoint."),
    Setting("introspection.client_secret", as_str, None, "The client secret of this application at the introspection endpoint.", secret=True),
    Setting("introspection.auth_method", as_choice("client_secret_basic", "client_secret_post", "none"), "client_secret_basic", "How this application authenticates there (RFC 7591 section 2)."),
    Setting("introspection.require_audience", as_bool, True, "`false` accepts an opaque token whose introspection answer has no `aud`. The risk: a token for any other API of the same issuer is then accepted here."),
    Setting("introspection.max_in_flight", as_count, None, "How many threads of a process may wait for an answer about a token at the same time; a remote check above this number is answered with 503 and `Retry-After`. By default half of the threads that make remote checks, at least 1, so that a slow issuer leaves threads for other requests. An issuer in the same process is limited only if this is set."),
    Setting("http.timeout", as_timeout, 5.0, "Seconds for one call to the issuer in all, the last byte included."),
    Setting("http.max_bytes", as_size, 1_048_576, "A longer answer of the issuer is refused."),
    Setting("http.ca_file", as_ca_file, None, "PEM file of the certificate authorities to trust instead of the system's."),
    Setting("cache.metadata.*", as_cache, {}, _CACHE_HELP + "Issuer metadata, one day; at least `keys.cooldown`. They are renewed in the background before they expire."),
    Setting("cache.jwks.*", as_cache, {}, _CACHE_HELP + "Key sets, one hour: the longest time that a withdrawn key is accepted while the issuer answers. At least `keys.cooldown`; a shorter `max-age` of the issuer counts as `keys.cooldown`."),
    Setting("cache.introspection.*", as_cache, {}, _CACHE_HELP + "Positive answers; 0 (the default) is live, n trusts one for at most n seconds and never past `exp`."),
    Setting("cache.inactive.*", as_cache, {}, _CACHE_HELP + "Tokens the issuer called inactive, 10 seconds; 0 asks again each time."),
    Setting("cache.secret", as_str, None, "The secret that seals the entries of caches outside this process, so that no other program can make an entry: at least 32 characters that cannot be guessed, the same in all processes that share a cache. Without it, a key of the authorization server in the same process is used, or `introspection.client_secret`.", secret=True),
    Setting("cache.trusted", as_bool, False, "`true` allows a cache outside this process without any secret. The risk: every program that can write to that cache can put its own keys and answers there, and can so make tokens that are accepted here."),
    Setting("cache.tokens.size", as_int, 10_000, "Verified tokens remembered in the process for local checks, and as many judged answers beside an introspection cache in the process; 0 is off."),
    Setting("keys.cooldown", as_duration, 30.0, "Seconds between attempts to refetch keys for an unknown kid or after a failure. For unknown kids, one extra attempt is made in each."),
    Setting("keys.max_stale", as_duration, 86_400.0, "How long the last good key set serves while the issuer is down."),
    Setting("policy", as_bool, SWITCHES["policy"], "`off` does not install the security policy: the application composes it. Read when the guard is included."),
    Setting("resource", as_url, None, "This API's resource identifier (RFC 9728)."),
    Setting("resource_metadata", as_bool, SWITCHES["resource_metadata"], "`on` serves `/.well-known/oauth-protected-resource` and names it in challenges; wants `resource`."),
    Setting("resource_name", as_str, None, "The name of this API in the resource metadata, for people."),
    Setting("resource_documentation", as_url, None, "The address of a page for developers, in the resource metadata."),
    Setting("scope_implies", as_implications, {}, "Scopes that contain other scopes, one `write = read` a line: a token with `write` may do what requires `read`. For checks only: `AccessToken.scopes` has what was granted."),
    Setting("cors_origins", as_origins, (), "Origins whose web pages may call guarded views: preflights are answered, and the pages may read the answers. Cookies are never allowed. Read when the guard is included."),
)  # fmt: skip


def _fold(text: str) -> str:
    return text.rstrip("/").casefold()


def is_on(settings: Mapping[str, Any], name: str, default: bool) -> bool:
    """Whether a switch is on. :raises SettingError: neither on nor off."""
    value = settings.get(f"{PREFIX}.{name}")
    try:
        return default if value is None or value == "" else as_bool(value)
    except ValueError as error:
        raise SettingError(f"{PREFIX}.{name}", str(error)) from error


def parse_settings(settings: Mapping[str, Any]) -> GuardSettings:
    """The guard's settings from the application's. :raises SettingError: naming the key."""
    parsed = parse(TABLE, settings, PREFIX, into=GuardSettings, foreign=("server.",))
    if parsed.resource_metadata and not parsed.resource:
        raise SettingError("oauthguard.resource", "is required when oauthguard.resource_metadata is on")
    _check_cache_secret(parsed)
    _check_key_lifetime(parsed)
    wants_secret = parsed.introspection_client_id and parsed.introspection_auth_method != "none"
    if wants_secret and not parsed.introspection_client_secret:
        raise SettingError(
            "oauthguard.introspection.client_secret",
            "is required with oauthguard.introspection.client_id",
            "or set oauthguard.introspection.auth_method = none",
        )
    return parsed


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
        raise SettingError("oauthguard.cache.secret", problem, hint)


def _check_key_lifetime(parsed: GuardSettings) -> None:
    """Check that keys do not expire before they may be fetched again."""
    lifetime = parsed.find_expiration("jwks", KEY_LIFETIME_SECONDS)
    if lifetime >= parsed.keys_cooldown:
        return
    name = "cache.jwks.expiration_time" if "expiration_time" in parsed.cache_jwks else "keys.cooldown"
    raise SettingError(
        f"{PREFIX}.{name}",
        f"keys would expire after {lifetime:g} s, but may be fetched again only after {parsed.keys_cooldown:g} s",
        f"{PREFIX}.cache.jwks.expiration_time must be at least {PREFIX}.keys.cooldown",
    )
