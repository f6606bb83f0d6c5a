"""The administration as JSON, for programs: only with the guard, for tokens with one scope, of callers whom settings name."""

from __future__ import annotations

from .routes import include

__all__ = ["include"]
