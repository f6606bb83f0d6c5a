"""What one issuer is configured with: who it is, where it is asked, as whom, and within which bounds."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["IssuerSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerSettings:
    """One issuer over HTTP. The code that reads an ini file makes it. Nothing in it is checked here.

    :ivar issuer: the issuer identifier, compared byte for byte.
    :ivar metadata_url: where the metadata are; None: at the well-known URLs.
    :ivar jwks_uri: where the keys are; None: where the metadata say.
    :ivar introspection_endpoint: where tokens are introspected; None: where the metadata say.
    :ivar introspection_client_id: who asks there; None: a caller that does not authenticate.
    :ivar introspection_auth_method: ``"client_secret_basic"``, ``"client_secret_post"`` or ``"none"``.
    :ivar http_timeout: seconds for one call in all.
    :ivar http_max_bytes: a longer answer is refused.
    :ivar http_ca_file: PEM file of the accepted certificate authorities; None: those of the system.
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
