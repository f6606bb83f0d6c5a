"""Which state of a client an editor has seen, so that two editors notice each other."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Final

from ..grant_types import RegistrationError
from ..store.records import Client
from .fields import ClientChanges

__all__ = ["ClientChangedError", "check_version", "find_version"]

_NAMES: Final = (*sorted(ClientChanges.__annotations__), "jwks")


class ClientChangedError(RegistrationError):
    """The client is not as the editor has seen it: nothing was changed."""

    def __init__(self) -> None:
        super().__init__("version", "the client was changed meanwhile: read it again")


def find_version(client: Client) -> str:
    """A text that is another one after each change of the registration."""
    values = json.dumps([getattr(client, name) for name in _NAMES])
    return sha256(values.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def check_version(client: Client, version: str | None) -> None:
    """:raises ClientChangedError: the client has another version; None is any."""
    if version is not None and version != find_version(client):
        raise ClientChangedError
