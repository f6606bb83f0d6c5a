"""Signing keys: how they are made, rotated, published, used and revoked.

Public here: :func:`get_keys`, :class:`KeyRegistry` and what it returns.
"""

from __future__ import annotations

from .registry import IKeyRegistry, KeyRegistry, KeyStatus, SigningKeyError, get_keys

__all__ = ["IKeyRegistry", "KeyRegistry", "KeyStatus", "SigningKeyError", "get_keys"]
