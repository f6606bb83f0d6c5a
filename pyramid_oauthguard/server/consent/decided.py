"""One decision for each consent page. The same decision sent again, as by a double click, gets the same answer and opens
nothing; another decision gets a page that says so.

The ticket of a page carries an id. The code of an approval is derived from it, so that it can be told again while only its
hash is stored. Without the pepper, it can't be derived.
"""

from __future__ import annotations

import time

from ..hashing import Pepper
from ..http.errors import OAuth2Error
from ..opaque import CODE_PREFIX, derive_opaque
from ..store.contract import Unit
from ..store.records import Grant
from .tickets import LIFETIME_SECONDS

__all__ = ["DecidedPageError", "SentAgainError", "derive_code", "find_live_code", "take_page"]


class DecidedPageError(OAuth2Error):
    """The user decided on this page before, and the answer can't be given again."""

    error = "decided_page"
    status_code = 409


class SentAgainError(Exception):
    """An approval came from a page on which the user decided before. Nothing of it may be stored.

    :ivar grant: what it would have opened.
    """

    def __init__(self, grant: Grant) -> None:
        super().__init__("sent again")
        self.grant = grant


def take_page(unit: Unit, pepper: Pepper, page: str) -> bool:
    """Note in the caller's unit that the user decides on this page; False if they did before. If several units do this at
    the same time, only one gets True."""
    return unit.add_assertion(pepper.hash_page(page), time.time() + LIFETIME_SECONDS)


def derive_code(pepper: Pepper, page: str) -> str:
    """The code of the approval on this page."""
    return derive_opaque(CODE_PREFIX, pepper.derive_key("code of a page"), page).text


def find_live_code(unit: Unit, pepper: Pepper, page: str, grant: Grant) -> str | None:
    """The code of this page if its client can still redeem it, and if it is for what ``grant`` is for; else None."""
    code = derive_code(pepper, page)
    found = unit.find_code(pepper.hash_code(code))
    if found is None or found.revoked or found.used_at is not None or time.time() >= found.expires_at:
        return None
    opened = unit.find_grant(found.grant_id)
    return code if opened is not None and _describe(opened) == _describe(grant) else None


def _describe(grant: Grant) -> tuple[object, ...]:
    return grant.client_id, grant.subject, grant.scopes, grant.audiences
