"""What a store does with clients that registered themselves."""
# ruff: noqa: S101  # a suite is made of assertions; pytest rewrites them here, too

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from .records import LATER as _LATER
from .records import NOW as _NOW

if TYPE_CHECKING:
    from ...server.store.contract import Store

__all__ = ["SelfRegistrationContract"]


class SelfRegistrationContract:
    """A part of :class:`.StoreContract`."""

    def test_clients_that_registered_themselves_come_back_as_they_were_stored(self, store: Store) -> None:
        client = _make_registered("tool")
        with store.writing() as unit:
            assert unit.add_client(client)
        with store.reading() as unit:
            assert unit.find_client("tool") == client

    def test_such_a_client_ends_unless_it_is_kept(self, store: Store) -> None:
        with store.writing() as unit:
            for client_id in ("kept", "ended", "revoked"):
                unit.add_client(_make_registered(client_id))
            unit.revoke_client("revoked", _NOW)
            assert unit.count_unused_clients(_NOW) == 3
            assert unit.keep_client("kept", _NOW)
            assert not unit.keep_client("revoked", _NOW)
            assert not unit.keep_client("ended", _LATER)
            assert not unit.keep_client("nobody", _NOW)
            assert unit.count_unused_clients(_NOW) == 2
            assert unit.count_unused_clients(_LATER) == 0
        with store.reading() as unit:
            kept = unit.find_client("kept")
            assert kept is not None
            assert kept.expires_at is None

    def test_pruning_deletes_those_that_ended_and_no_others(self, store: Store) -> None:
        with store.writing() as unit:
            for client_id in ("one", "two", "kept"):
                unit.add_client(_make_registered(client_id))
            unit.keep_client("kept", _NOW)
        with store.writing() as unit:
            assert unit.prune_clients(_LATER, 10) == 0
            assert unit.prune_clients(_LATER + 1, 1) == 1
            assert unit.prune_clients(_LATER + 1, 10) == 1
            assert unit.prune_clients(_LATER + 1, 10) == 0
        with store.reading() as unit:
            assert [each.client_id for each in unit.list_clients()] == ["app", "kept"]

    def test_what_a_document_says_replaces_what_is_stored_of_its_client(self, store: Store) -> None:
        first = _make_described("https://tool.test/client.json", name="First")
        second = dataclasses.replace(
            first,
            name="Second",
            redirect_uris=("https://tool.test/b",),
            loopback_localhost=True,
            fresh_until=_LATER + 9,
        )
        with store.writing() as unit:
            assert unit.save_document_client(first)
        with store.writing() as unit:
            assert unit.save_document_client(dataclasses.replace(second, created_at=_LATER))
            assert unit.list_public_redirect_uris() == ("https://tool.test/b",)
            assert unit.prune_clients(_LATER + 1, 10) == 0
            assert unit.count_unused_clients(_NOW) == 0
        with store.reading() as unit:
            assert unit.find_client(first.client_id) == second

    def test_a_document_replaces_no_other_client_and_no_revoked_one(self, store: Store) -> None:
        described = _make_described("https://tool.test/client.json", name="Tool")
        with store.writing() as unit:
            assert not unit.save_document_client(_make_described("app", name="Thief"))
            assert unit.save_document_client(described)
            unit.revoke_client(described.client_id, _NOW)
            assert not unit.save_document_client(dataclasses.replace(described, name="Again"))
        with store.reading() as unit:
            names = [each.name for each in unit.list_clients()]
        assert names == ["Name of app", "Tool"]

    def test_a_token_says_when_its_client_ends(self, store: Store) -> None:
        from ...server.store.records import AccessTokenRecord

        described = _make_described("https://tool.test/client.json", name="Tool")
        token = AccessTokenRecord(
            token_id="t",  # noqa: S106
            hash=bytes(32),
            client_id=described.client_id,
            subject=described.client_id,
            scopes=("a",),
            audiences=("b",),
            issued_at=_NOW,
            expires_at=_LATER,
        )
        with store.writing() as unit:
            unit.save_document_client(described)
            unit.add_access_token(token)
        with store.reading() as unit:
            found = unit.find_access_token(token.hash)
        assert found is not None
        assert found.client_expires_at == described.expires_at

    def test_names_and_sites_are_told_without_those_that_nobody_uses(self, store: Store) -> None:
        with store.writing() as unit:
            for client_id in ("tool", "kept"):
                unit.add_client(_make_registered(client_id))
            unit.keep_client("kept", _NOW)
        with store.reading() as unit:
            assert unit.list_operator_names() == ("Name of app",)
            assert unit.list_public_redirect_uris() == ("https://kept/",)


def _make_described(client_id: str, *, name: str) -> Any:
    from ...server.store.records import DOCUMENT

    made = dataclasses.replace(_make_registered(client_id), name=name, registered_by=DOCUMENT, fresh_until=_NOW)
    return dataclasses.replace(made, redirect_uris=("https://tool.test/a",), jwks_uri="https://tool.test/keys")


def _make_registered(client_id: str) -> Any:
    from ...server.store.records import REGISTRATION, Client

    return Client(
        client_id=client_id,
        name="Tool",
        role="client",
        public=True,
        redirect_uris=(f"https://{client_id}/",),
        grants=("authorization_code",),
        scopes=("a",),
        audiences=("https://api.test",),
        created_at=_NOW + 1,
        registered_by=REGISTRATION,
        expires_at=_LATER,
    )
