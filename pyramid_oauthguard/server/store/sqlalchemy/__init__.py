"""The store on SQLAlchemy: SQLite in a file by default, PostgreSQL by its URL."""

from __future__ import annotations

from .store import SQLAlchemyStore

__all__ = ["SQLAlchemyStore"]
