"""The only way out: HTTP requests to an issuer, limited in time and size, never redirected."""

from __future__ import annotations

from .answers import Answer
from .extras import Extras
from .fetcher import Fetcher
from .proxies import Proxy

__all__ = ["Answer", "Extras", "Fetcher", "Proxy"]
