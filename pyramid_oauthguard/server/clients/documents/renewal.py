"""A client that users have allowed something, and whose document is read again while it is used.

If the document is gone, or no longer describes the same client, what is stored of it serves for ``max_stale`` after the
document was last read well.
"""

from __future__ import annotations

import logging
import time

from ...http.errors import OAuth2Error
from ...store.contract import Store
from ...store.records import Client
from ..evidence import build_evidence
from .source import DocumentSource

__all__ = ["renew_client"]

log = logging.getLogger("pyramid_oauthguard.server")


def renew_client(store: Store, documents: DocumentSource, client: Client, *, user: str) -> None:
    """Read the document of a client again if it is due, and store what it says. Failures only go into the log.

    The caller has checked that the client holds a live refresh token.

    :param user: whose token it is; the limits count them.
    """
    if client.fresh_until is None or time.time() < client.fresh_until:
        return
    try:
        found = documents.load(client.client_id, user=user)
    except OAuth2Error:  # it is in the log
        return
    before, after = build_evidence(client), build_evidence(found)
    if (before.auth_method, before.jwks_host) != (after.auth_method, after.jwks_host):
        log.warning(
            "the client document %s names another way to authenticate: users have to allow it again", client.client_id
        )
        return
    with store.writing() as unit:
        unit.save_document_client(found)
