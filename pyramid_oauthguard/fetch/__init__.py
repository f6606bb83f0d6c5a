"""The only way out: HTTP requests to an issuer, bounded in time and size, never redirected."""

from __future__ import annotations

from .fetcher import Answer, Fetcher

__all__ = ["Answer", "Fetcher"]
