"""Administration in the browser: clients, users, signing keys and the audit trail, for users whom the application names."""

from __future__ import annotations

from .routes import include

__all__ = ["include"]
