"""What is weak about an authorization server, and whether it is well."""

from __future__ import annotations

from .report import report_server

__all__ = ["report_server"]
