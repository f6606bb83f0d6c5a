"""For the Alembic environment of an application that keeps its tables in the server's database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .models import metadata
from .schema import VERSION_TABLE

__all__ = ["include_name"]


def include_name(name: str | None, type_: str, parent_names: Mapping[str, Any]) -> bool:
    """Whether a name in the database is the application's, for Alembic's ``context.configure(include_name=include_name)``.

    The server's tables have migrations of their own. Without this, ``alembic revision --autogenerate`` of the application
    would drop them, because its metadata does not have them.

    :param name: of the object in the database.
    :param type_: what it is: ``"table"``, ``"column"``, ``"index"``, …
    :param parent_names: of a table: ``schema_name``, None for the default schema, which is where the server's tables are.
    """
    ours = {*metadata.tables, VERSION_TABLE}
    return not (type_ == "table" and name in ours and parent_names.get("schema_name") is None)
