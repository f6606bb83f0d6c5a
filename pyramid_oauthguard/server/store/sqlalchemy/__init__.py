"""The store on SQLAlchemy: SQLite in a file by default, PostgreSQL by its URL."""

from __future__ import annotations

from .autogenerate import include_name
from .store import SQLAlchemyStore

__all__ = ["SQLAlchemyStore", "include_name"]
