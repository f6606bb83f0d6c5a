"""What users allow clients: stored with the words that the page showed, and withdrawn by the user at any time."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping

from ..clients.entitlement import find_audiences
from ..clients.evidence import build_evidence
from ..events import ClientCreated, ConsentRevoked
from ..http.errors import InvalidRequestError
from ..opaque import make_id
from ..service import Service
from ..settings import ServerSettings
from ..store.contract import Unit
from ..store.records import DOCUMENT, Client, Consent
from ..tokens.revocation import GRANTS_AT_ONCE, revoke_grant

__all__ = ["keep_client", "name_apis", "remember", "withdraw"]


def name_apis(client: Client, settings: ServerSettings, audiences: tuple[str, ...]) -> tuple[str, ...]:
    """The APIs that a page has to name. Empty if the client can have tokens for one API only."""
    return audiences if len(find_audiences(client, settings)) > 1 else ()


def keep_client(service: Service, unit: Unit, client: Client) -> None:
    """Let a client live on that registered itself, in the unit that stores what a user allows it. From now on, the other
    endpoints know a client that a document describes.

    :raises InvalidRequestError: it ended, or was revoked, a moment ago.
    """
    if client.expires_at is None:
        return
    if client.registered_by == DOCUMENT:
        kept = _save(service, unit, client)
    else:
        kept = unit.keep_client(client.client_id, time.time())
    if not kept:
        raise InvalidRequestError("The client has ended.")
    unit.after_commit(service.origins.forget)  # its site may read the answers to it from now on


def _save(service: Service, unit: Unit, client: Client) -> bool:
    is_new = unit.find_client(client.client_id) is None
    saved = unit.save_document_client(client)
    if saved and is_new:
        service.tell(unit, ClientCreated(client.client_id, by=DOCUMENT))
    return saved


def remember(
    unit: Unit,
    client: Client,
    subject: str,
    *,
    scopes: Iterable[str],
    audiences: Iterable[str],
    wording: Mapping[str, str],
    redirect_uri: str | None,
) -> None:
    """Store, in the caller's unit, what a user has just allowed on a page.

    :param wording: the page's text for each scope that it showed.
    :param redirect_uri: where the answer goes.
    """
    shown = build_evidence(client)
    unit.add_consent(
        Consent(
            consent_id=make_id(),
            client_id=client.client_id,
            subject=subject,
            scopes=tuple(scopes),
            audiences=tuple(audiences),
            wording=json.dumps(dict(wording), ensure_ascii=False),
            allowed_at=time.time(),
            redirect_uri=redirect_uri,
            client_name=shown.client_name,
            auth_method=shown.auth_method,
            key_thumbprints=shown.key_thumbprints,
            jwks_host=shown.jwks_host,
        )
    )


def withdraw(service: Service, subject: str, client_id: str) -> bool:
    """Withdraw everything that a user allowed a client, and end every token of it; False if there was no consent.

    This is committed when the function returns, even if the request's own transaction is rolled back later. Many grants end
    in several transactions, so that no other request has to wait for all of them; after an error, call it again.
    """
    with service.store.writing() as unit:
        found = unit.withdraw_consents(
            subject, client_id, time.time()
        )  # first: nothing may be allowed anew without a question
        grant_ids = tuple(unit.list_live_grant_ids(subject, client_id))
        _end_grants(service, unit, grant_ids[:GRANTS_AT_ONCE], client_id)
        if found:
            service.tell(unit, ConsentRevoked(client_id, subject))
    for start in range(GRANTS_AT_ONCE, len(grant_ids), GRANTS_AT_ONCE):
        with service.store.writing() as unit:
            _end_grants(service, unit, grant_ids[start : start + GRANTS_AT_ONCE], client_id)
    return found or bool(grant_ids)


def _end_grants(service: Service, unit: Unit, grant_ids: Iterable[str], client_id: str) -> None:
    for grant_id in grant_ids:
        revoke_grant(service, unit, grant_id, client_id=client_id, reason="consent_withdrawn")
