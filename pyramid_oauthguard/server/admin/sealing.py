"""The tickets of the forms of the admin pages: for one administrator, one action, once."""

from __future__ import annotations

import time
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from ..consent.tickets import LIFETIME_SECONDS, seal_ticket
from ..opaque import make_client_id, make_id
from ..service import Service

__all__ = ["PURPOSE", "seal_action", "seal_creation", "take_ticket"]

PURPOSE: Final = "admin"


def seal_action(service: Service, administrator: str, action: str, /, **values: str) -> str:
    """The ticket of a button: for this administrator, for this action, once."""
    return seal_ticket(service.pepper, PURPOSE, {"action": action, "id": make_id(), **values}, subject=administrator)


def seal_creation(service: Service, subject: str) -> str:
    """The ticket of the form for a new client. The id is chosen now, so that the form makes one client at the most."""
    return seal_action(service, subject, "create_client", client_id=make_client_id())


def take_ticket(service: Service, content: Mapping[str, Any]) -> bool:
    """Whether this ticket comes for the first time: a form that is sent twice acts once.

    :param content: what the ticket carries. Its text may be written in several ways (RFC 4648 section 3.5), its id may not.
    """
    with service.store.writing() as unit:
        return unit.add_assertion(sha256(b"admin " + content["id"].encode()).digest(), time.time() + LIFETIME_SECONDS)
