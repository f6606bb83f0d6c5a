"""The certificate of PostgreSQL, for ``oauthguard check``."""

from __future__ import annotations

import time
from collections.abc import Iterator

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from ...fetch.certificates import DAY_SECONDS, SOON_SECONDS, ask_for_tls, fetch_certificate_end
from ...interfaces import Finding
from ..settings import PREFIX, ServerSettings

__all__ = ["report_certificate"]

_PORT = 5432
_SHORTEST_SECONDS = 1.0


def report_certificate(settings: ServerSettings) -> Iterator[Finding]:
    """A warning if it ends in 14 days. Nothing is said of other databases, of sockets, and of several hosts."""
    found = _find_address(settings.sqlalchemy_url)
    if found is None:
        return
    try:
        timeout = max(settings.database_connect_timeout, _SHORTEST_SECONDS)
        end = fetch_certificate_end(*found, timeout=timeout, prepare=ask_for_tls)
    except (OSError, ValueError):  # without TLS, or away, which another check says
        return
    days = (end - time.time()) / DAY_SECONDS
    if end - time.time() < SOON_SECONDS:
        text = (
            f"the certificate of the database ends in {days:.0f} days"
            if days > 0
            else "the certificate of the database has ended"
        )
        hint = "renew it: programs that verify it will not connect any more"
        yield Finding("warning", f"{PREFIX}.sqlalchemy.url", text, hint)


def _find_address(text: str) -> tuple[str, int] | None:
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        return None
    is_one = url.host is not None and "host" not in url.query and "," not in url.host and not url.host.startswith("/")
    if url.get_backend_name() != "postgresql" or not is_one or url.host is None:
        return None
    return url.host, url.port or _PORT
