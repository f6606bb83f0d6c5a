"""What one issuer is configured with: who it is, where it is asked, as whom, and within which bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..fetch import Proxy
from .template import IssuerTemplate

__all__ = ["IssuerSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerSettings:
    """One issuer over HTTP. The code that reads an ini file makes it. Nothing in it is checked here.

    :ivar issuer: the issuer identifier, compared byte for byte.
    :ivar metadata_url: where the metadata are; None: at the well-known URLs.
    :ivar jwks_uri: where the keys are; None: where the metadata say.
    :ivar introspection_endpoint: where tokens are introspected; None: where the metadata say.
    :ivar introspection_client_id: who asks there; None: a caller that does not authenticate.
    :ivar introspection_auth_method: one of :data:`.client_authentication.AUTH_METHODS`.
    :ivar introspection_key_file: the key for ``private_key_jwt``.
    :ivar introspection_assertion_audience: the audience of the assertion of ``private_key_jwt``; None: the issuer.
    :ivar introspection_token_file: the token for ``bearer``.
    :ivar introspection_signed: whether introspection answers must be signed: ``off``, ``auto`` (if the metadata offer that) or
        ``required``.
    :ivar userinfo_endpoint: where users are described; None: where the metadata say.
    :ivar jwks_file: a file with the keys; None: they are fetched.
    :ivar http_timeout: seconds for one call in all.
    :ivar http_max_bytes: a longer answer is refused.
    :ivar http_ca_file: PEM file of the accepted certificate authorities; None: those of the system.
    :ivar http_insecure_hosts: hosts that may be asked without TLS, as :func:`..urls.as_insecure_host` spells them.
    :ivar http_proxy: what requests with TLS go through.
    :ivar http_headers: sent to the origins that these settings name.
    :ivar http_bearer_token_file: a file with a token for the metadata and the keys at these origins.
    :ivar template: the template of which the issuer is a tenant.
    :ivar issuer_name: its name in the settings of the application.
    :ivar metadata_lifetime: seconds that the metadata are kept.
    :ivar keys_cooldown: seconds between two attempts to fetch metadata or keys after a failure.
    """

    issuer: str
    metadata_url: str | None
    jwks_uri: str | None
    introspection_endpoint: str | None
    introspection_client_id: str | None
    introspection_client_secret: str | None = field(repr=False)
    introspection_auth_method: str
    http_timeout: float
    http_max_bytes: int
    http_ca_file: str | None
    metadata_lifetime: float
    keys_cooldown: float
    introspection_key_file: str | None = None
    introspection_assertion_audience: str | None = None
    introspection_token_file: str | None = None
    introspection_signed: str = "off"
    userinfo_endpoint: str | None = None
    jwks_file: str | None = None
    http_insecure_hosts: frozenset[str] = frozenset()
    http_proxy: Proxy | None = None
    http_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    http_bearer_token_file: str | None = None
    template: IssuerTemplate | None = None
    issuer_name: str | None = None

    def is_described_by(self, name: object) -> bool:
        """Whether metadata with this ``issuer`` are those of the issuer: it is equal byte for byte. A document at
        ``metadata_url`` may also be that of all tenants of the template, with a placeholder.
        """
        if name == self.issuer or self.template is None or self.metadata_url is None:
            return name == self.issuer
        return isinstance(name, str) and self.template.describes(name)

    def list_wanted(self) -> tuple[str, ...]:
        """The members of the metadata that are needed, as far as these settings tell: nothing else says where it is."""
        knows_keys = self.jwks_uri is not None or self.jwks_file is not None
        asks = self.introspection_client_id is not None or self.introspection_token_file is not None
        keys = () if knows_keys else ("jwks_uri",)
        return (*keys, "introspection_endpoint") if asks and self.introspection_endpoint is None else keys

    @property
    def addresses(self) -> tuple[str, ...]:
        """The URLs in these settings, from any source."""
        named = (self.issuer, self.metadata_url, self.jwks_uri, self.introspection_endpoint, self.userinfo_endpoint)
        return tuple(each for each in named if each)
