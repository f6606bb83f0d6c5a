"""What a store knows of clients that registered themselves: a part of the contract, see :mod:`.contract`."""

from __future__ import annotations

from typing import Protocol

from .records import Client

__all__ = ["SelfRegistrationRows"]


class SelfRegistrationRows(Protocol):
    """Clients that registered themselves (RFC 7591). Each ends by itself until a user allows it something."""

    def count_unused_clients(self, now: float) -> int:
        """How many such clients have not ended by ``now`` and were never allowed anything, also revoked ones. Must stay one
        indexed query. Units that count and then add a client do so one after the other, or there may be some more than the
        maximum."""

    def list_operator_names(self) -> tuple[str, ...]:
        """The names of the clients that did not register themselves and are not revoked."""

    def save_document_client(self, client: Client) -> bool:
        """Store what a document says of a client, in place of what is stored of it; False, and nothing stored, if the id
        is that of another kind of client, or of one that was revoked."""

    def keep_client(self, client_id: str, now: float) -> bool:
        """Let a client live on, because a user allows it something; False when it has ended, or is gone. If another unit
        prunes at the same time, the client is either kept or gone."""

    def prune_clients(self, before: float, limit: int) -> int:
        """Delete clients that ended before a moment and were never allowed anything; at most ``limit``. Returns how many."""
