"""How an issuer is reached, for ``oauthguard check``: hosts without TLS, the proxy, files in place of addresses."""

from __future__ import annotations

from collections.abc import Iterator

from ...interfaces import Finding
from ...urls import as_origin, check_url
from ..settings import GuardSettings

__all__ = ["describe_network", "is_fetchable"]


def describe_network(settings: GuardSettings) -> Iterator[Finding]:
    """What the settings allow beyond https, and what requests go through."""
    for host in sorted(settings.http_insecure_hosts):
        text = f"{host} is asked without TLS: anyone who can change what is sent there can make tokens that are accepted here"
        yield Finding("warning", "oauthguard.http.insecure_hosts", text, "use it in closed networks only")
    proxy = settings.http_proxy
    if proxy is not None:
        served = [url for url in settings.build_issuer_settings().addresses if _is_served(settings, url)]
        text = f"requests go through {proxy.url}: {' '.join(served) or 'none of the addresses in the settings'}"
        yield Finding("ok", "oauthguard.http.proxy", text)
    if settings.jwks_file is not None:
        yield Finding("ok", "oauthguard.jwks_file", f"the keys are those of {settings.jwks_file}")


def is_fetchable(settings: GuardSettings) -> bool:
    """Whether there may be metadata: at an address of the settings, or at an issuer identifier that is an address."""
    if settings.metadata_url:
        return True
    try:
        check_url(settings.issuer, settings.http_insecure_hosts)
    except ValueError:
        return False
    return "?" not in settings.issuer


def _is_served(settings: GuardSettings, url: str) -> bool:
    try:
        return bool(settings.http_proxy.serves(as_origin(url)))
    except ValueError:  # a name
        return False
