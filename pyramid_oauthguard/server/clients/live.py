"""Which clients count: neither revoked nor expired, and, if they registered themselves, with no more than the settings allow."""

from __future__ import annotations

import time
from dataclasses import replace

from ..settings import ServerSettings
from ..store.contract import Unit
from ..store.records import Client

__all__ = ["SELF_REGISTERED_GRANTS", "find_live", "limit_rights"]

#: What clients that register themselves may be registered for.
SELF_REGISTERED_GRANTS = ("authorization_code", "refresh_token")


def find_live(unit: Unit, client_id: str, settings: ServerSettings) -> Client | None:
    """The client with this id as the endpoints know it; None if there is none, or none that counts."""
    client = unit.find_client(client_id)
    if client is None or not client.is_live(time.time()) or not settings.self_registration.lets_in(client_id):
        return None
    return limit_rights(client, settings) if client.is_self_registered else client


def limit_rights(client: Client, settings: ServerSettings) -> Client | None:
    """The client with what the settings allow today; None if there is no API left, because no audiences mean the default."""
    allowed = settings.self_registration
    audiences = tuple(each for each in client.audiences if each in allowed.audiences)
    if not audiences:
        return None
    return replace(
        client,
        scopes=tuple(each for each in client.scopes if each in allowed.scopes),
        audiences=audiences,
        grants=tuple(each for each in client.grants if each in SELF_REGISTERED_GRANTS),
    )
