"""How pages name a client, and where its answer goes."""

from __future__ import annotations

from dataclasses import dataclass

from ...urls import as_origin, is_loopback
from ..store.records import DOCUMENT, Client

__all__ = ["Destination", "describe_destination", "find_home", "show_name", "show_name_and_home"]


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the browser is sent with the answer.

    :ivar host: of the page; None for a program on the user's own device.
    :ivar place: the host, or the private-use scheme. ASCII.
    """

    host: str | None
    place: str


def show_name(client: Client) -> str:
    """The name; in quotes if nobody but the client itself says that it is called so."""
    return f"“{client.name}”" if client.is_self_registered else client.name


def show_name_and_home(client: Client) -> str:
    """The name, with the host of its document."""
    home = find_home(client)
    return show_name(client) if home is None or home == client.name else f"{show_name(client)} ({home})"


def find_home(client: Client) -> str | None:
    """The host of the document that describes a client; None for other clients. ASCII."""
    return as_origin(client.client_id).host if client.registered_by == DOCUMENT else None


def describe_destination(uri: str) -> Destination:
    """Where a registered redirect URI leads."""
    scheme = uri.partition(":")[0].lower()
    if scheme not in {"https", "http"}:
        return Destination(None, f"{scheme}:")
    try:
        host = as_origin(uri).host
    except ValueError:
        return Destination(uri, uri)  # an invalid URI in the store is shown unchanged
    return Destination(None if is_loopback(host) else host, host)
