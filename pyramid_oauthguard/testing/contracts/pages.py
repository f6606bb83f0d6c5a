"""Lists that are read in parts, so that a page costs the same however long the list is."""
# ruff: noqa: S101  # a suite is made of assertions; pytest rewrites them here, too

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from .records import NOW as _NOW

if TYPE_CHECKING:
    from ...server.store.contract import Store

__all__ = ["PagesContract"]


class PagesContract:
    """A part of :class:`.StoreContract`."""

    def test_clients_are_listed_by_pages(self, store: Store) -> None:
        from ...server.store.records import Client, ClientSecret

        names = ["app", "b", "c", "d", "e"]
        with store.writing() as unit:
            first = unit.find_client("app")
            assert isinstance(first, Client)
            for name in names[1:]:
                unit.add_client(dataclasses.replace(first, client_id=name))
                for number in range(2):
                    secret = ClientSecret(
                        secret_id=f"{name}{number}", hash=bytes(32), label="", created_at=_NOW + number
                    )
                    unit.add_secret(name, secret)
        with store.reading() as unit:
            everything = unit.list_clients()
            pages = [unit.list_clients(limit=2, after=after) for after in (None, "b", "d", "e", "nobody")]
            assert [[each.client_id for each in page] for page in pages] == [names[:2], names[2:4], names[4:], [], []]
            assert pages[1] == everything[2:4]
            assert [len(each.secrets) for each in pages[1]] == [2, 2]
            assert unit.list_clients(after="b") == everything[2:]

    def test_only_the_newest_of_a_user_are_listed(self, store: Store) -> None:
        from ...server.store.records import Consent, Grant

        both: Any = {"client_id": "app", "subject": "anna", "scopes": ("a",), "audiences": ()}
        grants = [Grant(grant_id=f"g{each}", created_at=_NOW + each, **both) for each in range(4)]
        consents = [Consent(consent_id=f"c{each}", wording="{}", allowed_at=_NOW + each, **both) for each in range(4)]
        with store.writing() as unit:
            for grant, consent in zip(grants, consents, strict=True):
                unit.add_grant(grant)
                unit.add_consent(consent)
        with store.reading() as unit:
            assert unit.list_live_grants("anna", limit=2) == (grants[3], grants[2])
            assert unit.list_consents("anna", limit=2) == tuple(consents[2:])
            assert unit.list_consents("anna") == tuple(consents)

    def test_a_page_of_the_audit_trail_says_where_the_lines_begin_that_it_did_not_look_at(self, store: Store) -> None:
        from ...server.store.records import AuditEntry, AuditPage

        lines = [AuditEntry(at=_NOW + number, event="AB"[number % 2], subject=f"u{number}") for number in range(10)]
        with store.reading() as unit:
            assert unit.search_audit(limit=3, depth=3) == AuditPage((), None)
        with store.writing() as unit:
            for line in lines:
                unit.add_audit(line)
        assert _walk(store, limit=3, depth=100) == [lines[:6:-1], lines[6:3:-1], lines[3:0:-1], lines[:1]]
        assert _walk(store, limit=3, depth=4, event="A") == [[lines[8], lines[6]], [lines[4], lines[2]], [lines[0]]]
        assert _walk(store, limit=9, depth=5, subject="u1") == [[], [lines[1]]]
        assert _walk(store, limit=9, depth=5, since=_NOW + 8) == [[lines[9], lines[8]]]
        with store.reading() as unit:
            assert unit.search_audit(limit=1, depth=9, before=10**11).entries == (lines[9],)
            assert unit.search_audit(limit=1, depth=9, before=0) == AuditPage((), None)


def _walk(store: Store, **how: Any) -> list[list[Any]]:
    """All pages, one after the other."""
    pages: list[list[Any]] = []
    before = None
    while not pages or before is not None:
        with store.reading() as unit:
            found = unit.search_audit(before=before, **how)
        pages.append(list(found.entries))
        before = found.older
    return pages
