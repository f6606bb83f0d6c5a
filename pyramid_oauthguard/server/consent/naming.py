"""How pages name a client, and where its answer goes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from ...urls import as_origin, is_loopback
from ..store.records import DOCUMENT, Client

__all__ = ["Destination", "describe_destination", "find_home", "show_name"]


#: Control characters, separators of lines and paragraphs, what changes the direction of text, and what has no width.
_HIDDEN: Final = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f\\xad\\u061c\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff]+"
)


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the browser is sent with the answer.

    :ivar host: of the page; None for a program on the user's own device.
    :ivar place: the host, or the private-use scheme. ASCII.
    """

    host: str | None
    place: str


def show_name(text: str) -> str:
    """A name that another party chose, which must not change the text around it: without invisible characters, with
    single spaces; a dash if nothing is left."""
    return " ".join(_HIDDEN.sub(" ", text).split()) or "–"


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
