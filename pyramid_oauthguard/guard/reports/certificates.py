"""Certificates of an issuer that end soon, for ``oauthguard check``."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

from ...errors import OAuthGuardError
from ...fetch.certificates import DAY_SECONDS, SOON_SECONDS, fetch_certificate_end
from ...interfaces import Finding, Step
from ...urls import as_origin
from ..settings import GuardSettings

__all__ = ["judge_certificates"]


def judge_certificates(issuer: Any, settings: GuardSettings, *, is_described: bool) -> Iterator[Finding]:
    """A warning for each host of the issuer whose certificate ends in 14 days. Hosts behind a proxy are left out.

    :param is_described: whether the metadata of the issuer are known.
    """
    urls = [*settings.build_issuer_settings().addresses, *(_list_endpoints(issuer) if is_described else ())]
    for host, port in sorted(_list_hosts(urls, settings)):
        yield Step("ok", f"the certificate of {host}", "")
        try:
            end = fetch_certificate_end(host, port, timeout=settings.http_timeout)
        except (OSError, ValueError):  # the requests to it say so
            continue
        if end - time.time() < SOON_SECONDS:
            days = (end - time.time()) / DAY_SECONDS
            text = f"that of {host} ends in {days:.0f} days" if days > 0 else f"that of {host} has ended"
            yield Finding(
                "warning", "certificate", text, "who runs the issuer must renew it; without it, nothing is fetched"
            )


def _list_endpoints(issuer: Any) -> Iterator[str]:
    for name in ("jwks_uri", "introspection_endpoint"):
        try:
            url = issuer.fetch_metadata().find_endpoint(name)
        except OAuthGuardError:  # an endpoint that is not asked
            continue
        if url is not None:
            yield url


def _list_hosts(urls: Iterable[str], settings: GuardSettings) -> set[tuple[str, int]]:
    found = set()
    for url in urls:
        try:
            origin = as_origin(url)
        except ValueError:
            continue
        proxied = settings.http_proxy is not None and settings.http_proxy.serves(origin)
        if origin.scheme == "https" and not proxied:
            found.add((origin.host, origin.port))
    return found
