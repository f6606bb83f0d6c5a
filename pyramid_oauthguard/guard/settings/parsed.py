"""What the settings are parsed into."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

from ...issuers.settings import IssuerSettings
from ...issuers.template import IssuerTemplate
from .table import METADATA_LIFETIME_SECONDS, OF_APPLICATION, PREFIX, TABLE

__all__ = ["GuardSettings"]

#: Settings that other programs know, beside audiences and clients.
_PUBLIC: Final = (
    "issuer", "metadata_url", "jwks_uri", "introspection_endpoint", "introspection_client_id", "realm", "resource",
)  # fmt: skip

_ROWS: Final = {row.name.removesuffix(".*") for row in TABLE if row.name not in OF_APPLICATION}
#: Names of rows and of groups of rows. The longest names come first.
_NAMES: Final = sorted({*_ROWS, *(name.partition(".")[0] for name in _ROWS)}, reverse=True)
#: A key of one issuer, such as ``oauthguard.jwks_uri``.
_KEY: Final = re.compile(rf"\b{PREFIX}\.({'|'.join(map(re.escape, _NAMES))})\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardSettings:
    """What the guard was configured with, for one issuer; the fields are the keys with dots as underscores.

    ``issuer`` is empty where the application has named issuers only: then nothing is judged by these settings themselves,
    but by those of :meth:`list_issuers`.
    """

    issuer: str
    issuers: tuple[str, ...]
    issuer_values: tuple[str, ...]
    audience: tuple[str, ...]
    client_id: tuple[str, ...]
    client_id_claim: tuple[str, ...]
    audience_by_client: bool
    scopes: tuple[str, ...]
    roles: tuple[str, ...]
    token_prefix: str | None
    token_check: str
    profile: str
    algorithms: tuple[str, ...]
    leeway: float
    check_issued_at: bool
    realm: str
    scope_claim: tuple[str, ...]
    role_claim: tuple[str, ...]
    principals: Any
    metadata_url: str | None
    jwks_uri: str | None
    jwks_file: str | None
    key_uses: tuple[str, ...]
    introspection_endpoint: str | None
    introspection_client_id: str | None
    introspection_client_secret: str | None = field(repr=False)
    introspection_auth_method: str
    introspection_key_file: str | None
    introspection_assertion_audience: str | None
    introspection_token_file: str | None
    introspection_judges: str
    introspection_signed: str
    introspection_require_expiry: bool
    introspection_require_audience: bool
    introspection_max_in_flight: int | None
    userinfo_endpoint: str | None
    userinfo_any_client: bool
    http_timeout: float
    http_max_bytes: int
    http_ca_file: str | None
    http_insecure_hosts: frozenset[str]
    http_proxy: Any = field(repr=False)
    http_no_proxy: tuple[str, ...] | None
    http_headers: Any = field(repr=False)
    http_bearer_token_file: str | None
    cache_metadata: Mapping[str, Any]
    cache_jwks: Mapping[str, Any]
    cache_introspection: Mapping[str, Any]
    cache_inactive: Mapping[str, Any]
    cache_secret: str | None = field(repr=False)
    cache_trusted: bool
    cache_tokens_size: int
    keys_cooldown: float
    keys_max_stale: float
    token_source: tuple[str, ...]
    trusted_proxies: tuple[Any, ...]
    csrf_bearer_exempt: bool
    require_under: tuple[str, ...]
    require_under_open: tuple[str, ...]
    once: Mapping[str, Any]
    health: bool
    policy: bool
    resource: str | None
    resource_metadata: bool
    resource_name: str | None
    resource_documentation: str | None
    scope_implies: Mapping[str, frozenset[str]]
    cors_origins: tuple[str, ...]
    #: The identifiers of the resources with a path prefix: audiences that are accepted below it and nowhere else.
    resource_audiences: tuple[str, ...] = ()
    #: The name of the issuer; None for the plain `issuer`.
    issuer_name: str | None = None
    #: Where the issuer is a template: that, and, in the settings of one tenant, what stands for the placeholder.
    template: IssuerTemplate | None = None
    issuer_value: str | None = None
    #: The scopes that are trusted from this issuer; None for all.
    trusted_scopes: frozenset[str] | None = None
    #: The roles that are; None for all.
    trusted_roles: frozenset[str] | None = None
    #: Whether tokens of the issuer need more than the usual checks.
    is_restricted: bool = False
    #: The settings of each named issuer.
    named: tuple[GuardSettings, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether there is one issuer with one identifier, and so nothing to tell apart."""
        return not self.named and self.issuer_name is None and self.template is None

    @property
    def shares_keys(self) -> bool:
        """Whether all tenants of a template have one key set."""
        return self.template is not None and (self.jwks_uri is not None or self.jwks_file is not None)

    def list_issuers(self) -> tuple[GuardSettings, ...]:
        """The settings of every issuer, the plain one first."""
        return (*((self,) if self.issuer else ()), *self.named)

    def name_key(self, name: str) -> str:
        """How ``name`` (``"jwks_uri"``) is written in the ini file for this issuer."""
        return f"{PREFIX}.{name}" if self.issuer_name is None else f"{PREFIX}.issuers.{self.issuer_name}.{name}"

    def name_keys(self, text: str) -> str:
        """``text`` with the keys of this issuer, where it has those of the plain one."""
        return text if self.issuer_name is None else _KEY.sub(lambda found: self.name_key(found[1]), text)

    def add_audiences(self, identifiers: tuple[str, ...]) -> GuardSettings:
        """The settings with audiences that are accepted below the paths of their resources, from each issuer."""
        named = tuple(replace(each, resource_audiences=identifiers) for each in self.named)
        return replace(self, resource_audiences=identifiers, named=named)

    def fill(self, value: str) -> GuardSettings:
        """The settings of one tenant of the template."""
        if self.template is None:
            raise ValueError(f"{self.issuer!r} has no placeholder")
        return replace(self, issuer=self.template.fill(value), issuer_value=value)

    def is_public(self, text: str) -> bool:
        """Whether ``text`` is the value of a setting that is not secret, without regard to case and a slash at the end."""
        public = (*(getattr(self, name) for name in _PUBLIC), *self.audience, *self.client_id)
        return _fold(text) in {_fold(each) for each in public if each}

    def find_expiration(self, cache: str, default: float) -> float:
        """Seconds after which entries of ``cache`` (``"jwks"``) expire."""
        options: Mapping[str, Any] = getattr(self, f"cache_{cache}")
        return float(options.get("expiration_time", default))

    def build_issuer_settings(self) -> IssuerSettings:
        """What concerns the issuer alone, and not what is accepted from it. For a template, with an example in it."""
        if self.template is not None and self.issuer_value is None:
            return self.fill(self.template.example).build_issuer_settings()
        own = {each.name: getattr(self, each.name) for each in fields(IssuerSettings) if hasattr(self, each.name)}
        return IssuerSettings(**own, metadata_lifetime=self.find_expiration("metadata", METADATA_LIFETIME_SECONDS))


def _fold(text: str) -> str:
    return text.rstrip("/").casefold()
