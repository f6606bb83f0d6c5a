"""The part of a store's contract that is about clients; see :mod:`~pyramid_oauthguard.server.store.contract`."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from .records import Client, ClientSecret, Logo

__all__ = ["ClientRows"]


class ClientRows(Protocol):
    """Clients and their secrets."""

    def find_client(self, client_id: str) -> Client | None:
        """The client with all its secrets, also a revoked client."""

    def hold_client(self, client_id: str) -> None:
        """Let no other unit change this client until this unit ends. Comes before the look-up whose result is changed."""

    def list_clients(self, *, limit: int | None = None, after: str | None = None) -> tuple[Client, ...]:
        """All clients, the oldest first.

        :param limit: the maximum number. The cost must not grow with the number of clients.
        :param after: only those that come after the client with this id.
        """

    def list_public_redirect_uris(self) -> tuple[str, ...]:
        """The redirect URIs of all public clients that are not revoked."""

    def is_subject(self, subject: str) -> bool:
        """Whether any grant or consent names this user; consents count also after they are withdrawn."""

    def add_client(self, client: Client) -> bool:
        """Store a client without its secrets; False, and nothing stored, when the id is taken, also by a revoked one."""

    def add_secret(self, client_id: str, secret: ClientSecret) -> None:
        """Add a secret to a client that exists."""

    def limit_secrets(self, client_id: str, expires_at: float) -> None:
        """Let no live secret of the client live past ``expires_at``; none lives longer than before."""

    def revoke_secret(self, client_id: str, secret_id: str, now: float) -> bool:
        """End a secret; False when the client has no such live one."""

    def replace_secret(self, secret_id: str, hashed: bytes) -> None:
        """Store this server's hash of a secret that another server had hashed."""

    def touch_secret(self, secret_id: str, now: float) -> None:
        """Remember that the secret was used."""

    def update_client(self, client: Client, names: Collection[str]) -> None:
        """Store these fields of a client that exists; its other fields stay as they are."""

    def set_logo(self, client_id: str, logo: Logo | None) -> None:
        """Store the logo of a client that exists, and its name as the client's ``logo``; None removes it."""

    def find_logo(self, name: str) -> Logo | None:
        """The logo with this name of a client that is not revoked."""

    def replace_keys(self, client_id: str, jwks: str) -> None:
        """Store other public keys of a client."""

    def revoke_client(self, client_id: str, now: float) -> None:
        """End a client; from then on look-ups report its tokens as revoked."""
