"""What an OpenAPI document says about tokens, derived from the guarded views of an application."""

from __future__ import annotations

from .document import SCHEME, secure_document
from .operations import Operation, find_operations

__all__ = ["SCHEME", "Operation", "find_operations", "secure_document"]
