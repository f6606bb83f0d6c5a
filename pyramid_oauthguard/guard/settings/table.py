"""The table of ``oauthguard.*`` keys.

A row concerns one issuer, unless its name is in ``OF_APPLICATION``. A row that concerns one issuer can be set in the table of
each named issuer (``oauthguard.issuers.NAME.KEY``). A named issuer inherits only what :func:`is_inherited` names: no
address, no key, no credential, and nothing that allows more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ...issuers.client_authentication import AUTH_METHODS
from ...jwt.algorithms import ALGORITHMS
from ...network.values import (
    as_address,
    as_ca_file,
    as_insecure_hosts,
    as_key_uses,
    as_no_proxy,
    as_public_key_file,
    as_signing_key_file,
    as_size,
    as_timeout,
    as_token_file,
)
from ...settings import (
    REQUIRED,
    Setting,
    as_bool,
    as_callable,
    as_choice,
    as_duration,
    as_int,
    as_list,
    as_some_of,
    as_str,
    as_url,
)
from ..converters import (
    as_audience,
    as_cache,
    as_claims,
    as_count,
    as_implications,
    as_issuer,
    as_names,
    as_once_store,
    as_origins,
    as_realm,
    as_token_prefix,
)
from ..converters.sources import as_networks, as_token_sources

__all__ = [
    "ANY",
    "CACHES",
    "CLIENT_CLAIMS",
    "KEY_LIFETIME_SECONDS",
    "METADATA_LIFETIME_SECONDS",
    "MIN_CACHE_SECRET_CHARACTERS",
    "OF_APPLICATION",
    "PREFIX",
    "SWITCHES",
    "TABLE",
    "is_inherited",
]

PREFIX: Final = "oauthguard"
#: The word for "without a limit" where a list limits what is trusted.
ANY: Final = "any"

#: Rows that concern the application and not one issuer.
OF_APPLICATION: Final = frozenset({
    "issuers", "token_check", "realm", "principals", "policy", "resource", "resource_metadata", "resource_name",
    "resource_documentation", "scope_implies", "cors_origins", "trusted_proxies", "csrf.bearer_exempt", "require_under",
    "require_under.open", "once.*", "health",
})  # fmt: skip
_INHERITED: Final = frozenset({"audience", "algorithms", "leeway", "profile", "check_issued_at"})
_INHERITED_HTTP: Final = frozenset({"http.timeout", "http.max_bytes", "http.ca_file", "http.proxy", "http.no_proxy"})


def is_inherited(name: str) -> bool:
    """Whether a named issuer takes the value of ``oauthguard.<name>`` over where its table has none of its own."""
    if name.startswith(("keys.", "cache.")):
        return True
    return name in _INHERITED or name in _INHERITED_HTTP or (name.endswith("_claim") and "." not in name)


#: Claims that issuers name the client in; the last two are of Entra ID, the second one of Okta.
CLIENT_CLAIMS: Final = ("client_id", "cid", "azp", "appid")
#: The caches that `cache.NAME.*` configures.
CACHES: Final = ("metadata", "jwks", "introspection", "inactive")
#: Of a secret that is made for nothing but the caches: 32 random characters of base64 have 192 bits.
MIN_CACHE_SECRET_CHARACTERS: Final = 32
#: What is included or not; read before the other settings are parsed. The values are the defaults.
SWITCHES: Final[Mapping[str, bool]] = {"policy": True, "resource_metadata": False}

#: For how long metadata are kept by default.
METADATA_LIFETIME_SECONDS: Final = 86_400.0
#: For how long a key set serves by default; the issuer's ``max-age`` can shorten it.
KEY_LIFETIME_SECONDS: Final = 3_600.0


_CACHE_HELP = "A dogpile.cache region: `backend`, `expiration_time`, `arguments.*`. "

TABLE: Final = (
    Setting("issuer", as_issuer, REQUIRED, "Issuer identifier, compared byte for byte with `iss`. The metadata are fetched from it, so it begins with `https://` (`http://` only for loopback hosts and `http.insecure_hosts`). It may be any name if `metadata_url`, `jwks_uri` or `jwks_file` says where to find what is needed."),
    Setting("issuers", as_names, (), "Names of further issuers. Each has a table of its own: `issuers.NAME.KEY` for every key here that concerns an issuer. `issuer` may be left out then."),
    Setting("issuer_values", as_list, (), "The values that may stand for the placeholder, if the issuer has one, such as `https://login.example.com/{tid}/v2.0`: a list, or `any`. The token's claim of the placeholder's name must have the same value. `any` needs `jwks_uri`."),
    Setting("audience", as_audience, REQUIRED, "Accepted audiences; the token's `aud` must name one of them."),
    Setting("client_id", as_list, (), "If given, the token's client (see `client_id_claim`) must be one of these."),
    Setting("client_id_claim", as_claims, CLIENT_CLAIMS, "Claims that name the client; the first one that is present is used."),
    Setting("audience_by_client", as_bool, False, "`true` accepts a JWT without `aud` if its claim `client_id` is one of `client_id` (Amazon Cognito). It must then not have `nonce` or `at_hash`, and a `token_use` must be `access`."),
    Setting("scopes", as_list, (), "The only scopes that are trusted from this issuer, or `any`. Required in the table of a named issuer."),
    Setting("roles", as_list, (), "The only roles that are trusted from this issuer; all if there is no list. With `issuer_values = any`, a role gives no principal without such a list."),
    Setting("token_prefix", as_token_prefix, None, "How opaque tokens of this issuer begin. If there are several issuers, an opaque token is sent to the issuer with its prefix only, and to none if there is no such issuer."),
    Setting("token_check", as_choice("local", "remote", "userinfo"), "local", "The mode of views that do not set one."),
    Setting("profile", as_choice("generic", "rfc9068"), "generic", "`generic` accepts tokens without `typ` in the header, and with `JWT` or `at+jwt`; `rfc9068` accepts `at+jwt` only and requires every claim of RFC 9068 section 2.2."),
    Setting("algorithms", as_some_of("algorithm", ALGORITHMS, hint="; 'none' and HS* are never accepted"), ALGORITHMS, "Signature algorithms that are accepted; `none` and HS* are refused."),
    Setting("leeway", as_duration, 30.0, "Clock skew allowed for `exp`, `nbf` and `iat`."),
    Setting("check_issued_at", as_bool, True, "`false` does not check `iat`, for an issuer that writes something else there. `exp` and `nbf` are still checked."),
    Setting("realm", as_realm, "api", "The realm named in challenges."),
    Setting("scope_claim", as_list, ("scope", "scp"), "Claims that name the scopes; the first one that is present is used. Its value is a list, or a text with spaces between the scopes."),
    Setting("role_claim", as_list, (), "Dotted paths of the claims that hold roles, such as `realm_access.roles`; they give `role:` principals. A name in a path may have dots itself: `resource_access.my.client.roles`. The longest name that is there is taken. The value is a text, a list of texts, or an object whose members are the roles, as zitadel writes them (`urn:zitadel:iam:org:project:roles`)."),
    Setting("principals", as_callable, None, "Dotted name of `callable(access_token, request)` that returns more principals."),
    Setting("metadata_url", as_address, None, "Where the issuer's metadata is, if not at its well-known URLs."),
    Setting("jwks_uri", as_address, None, "Where the issuer's keys are, if not where its metadata says."),
    Setting("jwks_file", as_public_key_file, None, "A file with the issuer's keys in place of those that it publishes: a JWK Set, or PEM with public keys or certificates. It is read again when it changes. A file with a private key is not used; while the file is missing or bad, the old keys serve for `keys.max_stale`."),
    Setting("key_uses", as_key_uses, ("sig",), "Values of a key's `use` that are accepted for signatures, such as `jwt-svid` of SPIFFE. A key without `use` is accepted."),
    Setting("introspection.endpoint", as_address, None, "Where tokens are introspected, if not where the metadata says."),
    Setting("introspection.client_id", as_str, None, "The client id of this application at the introspection endpoint."),
    Setting("introspection.client_secret", as_str, None, "The client secret of this application at the introspection endpoint.", secret=True),
    Setting("introspection.auth_method", as_choice(*AUTH_METHODS), "client_secret_basic", "How this application authenticates there: one of RFC 7591 section 2, or `bearer` with the token of `introspection.token_file`. `client_secret_basic` form-encodes id and secret, as RFC 6749 says, and `http_basic` sends them as they are: for an issuer that does not decode them, or that wants one of its users there and not a client. `private_key_jwt` signs with the key of `introspection.key_file`."),
    Setting("introspection.key_file", as_signing_key_file, None, "The private key for `private_key_jwt`: PEM, a JWK, or the JSON file that zitadel gives. It is read again when it changes."),
    Setting("introspection.assertion_audience", as_str, None, "The audience of what `private_key_jwt` signs, if the issuer requires another one than its name: Okta requires the address of the introspection endpoint."),
    Setting("introspection.token_file", as_token_file, None, "A file with the token for `bearer`. It is read at each call."),
    Setting("introspection.judges", as_choice("opaque", "all"), "opaque", "`all` leaves to the issuer's answer, in remote checks, also JWTs that no key can verify here: signed with HS256, or with a key that is not published, and those whose audience only the answer says. A local check refuses them. The risk: an issuer that does not check signatures when it is asked vouches for a token that anybody made."),
    Setting("introspection.require_expiry", as_bool, True, "`false` accepts an introspection answer without `exp`: a token that does not expire. The cost: such a token is valid until it is revoked, so a stolen one is valid for ever. The answer is kept for the time of `cache.introspection` only."),
    Setting("introspection.require_audience", as_bool, True, "`false` accepts an opaque token whose introspection answer has no `aud`. The risk: a token for any other API of the same issuer is then accepted here."),
    Setting("introspection.signed", as_choice("off", "auto", "required"), "off", "Whether introspection answers must be signed by the issuer (RFC 9701). `auto`: if the issuer's metadata offer it; an answer without a signature is then refused. `required`: always. An answer that is refused is an outage (503)."),
    Setting("introspection.max_in_flight", as_count, None, "How many threads of a process may wait for an answer about a token at the same time; a remote check above this number is answered with 503 and `Retry-After`. By default half of the threads that make remote checks, at least 1, so that a slow issuer leaves threads for other requests. An issuer in the same process is limited only if this is set."),
    Setting("userinfo.endpoint", as_address, None, "Where the issuer says who the user of a token is, if not where the metadata says."),
    Setting("userinfo.any_client", as_bool, False, "`true` is required for views with `token_check=\"userinfo\"`. The answer of the userinfo endpoint does not say for which API and client a token is. The risk: a token of any client of the issuer is accepted, also of one that another party runs. So such a token gives a `user:` principal only: no scope, client or role."),
    Setting("http.timeout", as_timeout, 5.0, "Seconds for one call to the issuer in all, the last byte included."),
    Setting("http.max_bytes", as_size, 1_048_576, "A longer answer of the issuer is refused."),
    Setting("http.ca_file", as_ca_file, None, "PEM file of the certificate authorities to trust instead of the system's."),
    Setting("http.insecure_hosts", as_insecure_hosts, frozenset(), "Hosts (`keycloak`, `keycloak:8080`) that may be asked without TLS, for networks that no other party can use, such as one of containers. The risk: anyone who can change what is sent there can make tokens that are accepted here."),
    Setting("http.proxy", as_str, None, "The proxy for requests with TLS: `http://host:port`, with `user:password@` before the host if it requires them, or `off`. Without it, `HTTPS_PROXY` of the environment is used. Loopback hosts, and requests without TLS, never use a proxy.", secret=True),
    Setting("http.no_proxy", as_no_proxy, None, "Hosts that are asked without the proxy: names, domains, networks of addresses, or `*`. Without it, `NO_PROXY` of the environment is used."),
    Setting("http.headers", as_str, {}, "Additional headers of requests to the issuer, one `Name: value` a line. They are sent only to the hosts of the addresses in the settings, and only with TLS or to loopback.", secret=True),
    Setting("http.bearer_token_file", as_token_file, None, "A file with a token that fetches of the metadata and the keys carry, such as that of a service account of Kubernetes. It is read at each fetch, and is sent where `http.headers` are."),
    Setting("cache.metadata.*", as_cache, {}, _CACHE_HELP + "Issuer metadata, one day; at least `keys.cooldown`. They are renewed in the background before they expire."),
    Setting("cache.jwks.*", as_cache, {}, _CACHE_HELP + "Key sets, one hour: the longest time that a withdrawn key is accepted while the issuer answers. At least `keys.cooldown`; a shorter `max-age` of the issuer counts as `keys.cooldown`."),
    Setting("cache.introspection.*", as_cache, {}, _CACHE_HELP + "Positive answers. With 0 (the default), the issuer is asked each time; with n, an answer is used for at most n seconds, and never past `exp`."),
    Setting("cache.inactive.*", as_cache, {}, _CACHE_HELP + "Tokens that the issuer called inactive, 10 seconds; with 0, it is asked each time."),
    Setting("cache.secret", as_str, None, "The secret that seals the entries of caches outside this process, so that no other program can make an entry: at least 32 characters that cannot be guessed, the same in all processes that share a cache. Without it, a key of the authorization server in the same process is used, or `introspection.client_secret`.", secret=True),
    Setting("cache.trusted", as_bool, False, "`true` allows a cache outside this process without any secret. The risk: every program that can write to that cache can put its own keys and answers there, and can so make tokens that are accepted here."),
    Setting("cache.tokens.size", as_int, 10_000, "How many verified tokens a process remembers for local checks, and as many answers that were checked, where introspection answers are kept in the process. 0 turns it off."),
    Setting("keys.cooldown", as_duration, 30.0, "Seconds between two attempts to fetch the keys again: for an unknown `kid`, for a signature that no known key made, or after a failure. For unknown kids, one extra attempt is made in this time."),
    Setting("keys.max_stale", as_duration, 86_400.0, "How long the last good key set serves while the issuer is down."),
    Setting("token_source", as_token_sources, ("header",), "Where requests carry tokens of this issuer: `header` (a bearer token in Authorization), `header:NAME` (a header that a proxy of `trusted_proxies` adds), `cookie:NAME`. A token from another place is refused, and two tokens are a bad request. All but `header` need CSRF protection that is on by default."),
    Setting("trusted_proxies", as_networks, (), "Addresses of the proxies, and networks of them, whose `header:NAME` of `token_source` is believed: the address of the connection, as the WSGI server reports it. `unix` is the Unix socket of the WSGI server."),
    Setting("csrf.bearer_exempt", as_bool, True, "`false` requires a CSRF token also with a bearer token in Authorization, for a proxy that makes that header of a cookie."),
    Setting("require_under", as_list, (), "Path prefixes, such as `/api/`, under which no view may be open: start-up stops for a view there that has no `token_check`, no `token_require` and no permission. A view whose path only a request tells, such as one of traversal, is refused then."),
    Setting("require_under.open", as_list, (), "Paths under `require_under` that may be open, each written exactly, such as `/api/health`."),
    Setting("once.*", as_once_store, {}, "Where it is kept which tokens were used, for views with `token_require={\"once\": True}`: `once.backend` is `dogpile.cache.redis` or another backend of dogpile.cache for Redis or Valkey, with `once.arguments.*`. `memory` is the memory of the process, for an application that runs in one process; `once.arguments.size` (100,000) is the number of tokens that it holds."),
    Setting("health", as_bool, True, "`off` does not serve `/oauthguard/health`. Read when the guard or the server is included."),
    Setting("policy", as_bool, SWITCHES["policy"], "`off` does not install the security policy: the application composes it. Read when the guard is included."),
    Setting("resource", as_url, None, "This API's resource identifier (RFC 9728)."),
    Setting("resource_metadata", as_bool, SWITCHES["resource_metadata"], "`on` serves `/.well-known/oauth-protected-resource` and names it in challenges; requires `resource`."),
    Setting("resource_name", as_str, None, "The name of this API in the resource metadata, for people."),
    Setting("resource_documentation", as_url, None, "The address of a page for developers, in the resource metadata."),
    Setting("scope_implies", as_implications, {}, "Scopes that contain other scopes, one `write = read` a line: a token with `write` may do what requires `read`. For checks only: `AccessToken.scopes` has what was granted."),
    Setting("cors_origins", as_origins, (), "Origins whose web pages may call guarded views: preflights are answered, and the pages may read the answers. Cookies are never allowed. Read when the guard is included."),
)  # fmt: skip
