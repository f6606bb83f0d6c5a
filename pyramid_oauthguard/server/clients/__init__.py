"""Clients: registration, authentication, keys, and what each may have.

Public here: :func:`get_clients`, :class:`ClientRegistry`, :class:`RegistrationError` and what they return.
"""

from __future__ import annotations

from .registry import ClientRegistry, IClientRegistry, MadeClient, MadeSecret, RegistrationError, get_clients

__all__ = ["ClientRegistry", "IClientRegistry", "MadeClient", "MadeSecret", "RegistrationError", "get_clients"]
