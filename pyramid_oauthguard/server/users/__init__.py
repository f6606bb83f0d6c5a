"""The users of an authorization server, as far as it knows them: what they allowed, and how that ends."""

from __future__ import annotations

from .registry import IUserRegistry, UserRegistry, get_users

__all__ = ["IUserRegistry", "UserRegistry", "get_users"]
