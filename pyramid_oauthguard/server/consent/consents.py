"""What users allow clients: stored with the words that the page showed, and withdrawn by the user at any time."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping

from ..clients.entitlement import find_audiences
from ..events import ConsentRevoked
from ..http.errors import InvalidRequestError
from ..opaque import make_id
from ..service import Service
from ..settings import ServerSettings
from ..store.contract import Unit
from ..store.records import Client, Consent
from ..tokens.revocation import revoke_grant

__all__ = ["keep_client", "name_apis", "remember", "withdraw"]


def name_apis(client: Client, settings: ServerSettings, audiences: tuple[str, ...]) -> tuple[str, ...]:
    """The APIs that a page has to name. Empty if the client can have tokens for one API only."""
    return audiences if len(find_audiences(client, settings)) > 1 else ()


def keep_client(service: Service, unit: Unit, client: Client) -> None:
    """Let a client live on that registered itself, in the unit that stores what a user allows it.

    :raises InvalidRequestError: it ended a moment ago.
    """
    if client.expires_at is None:
        return
    if not unit.keep_client(client.client_id, time.time()):
        raise InvalidRequestError("The client has ended.")
    unit.after_commit(service.origins.forget)  # its site may read the answers to it from now on


def remember(
    unit: Unit,
    client: Client,
    subject: str,
    *,
    scopes: Iterable[str],
    audiences: Iterable[str],
    wording: Mapping[str, str],
) -> None:
    """Store, in the caller's unit, what a user has just allowed on a page.

    :param wording: the page's text for each scope that it showed.
    """
    unit.add_consent(
        Consent(
            consent_id=make_id(),
            client_id=client.client_id,
            subject=subject,
            scopes=tuple(scopes),
            audiences=tuple(audiences),
            wording=json.dumps(dict(wording), ensure_ascii=False),
            allowed_at=time.time(),
        )
    )


def withdraw(service: Service, subject: str, client_id: str) -> bool:
    """Withdraw everything that a user allowed a client, and end every token of it; False if there was no consent.

    This is committed when the function returns, even if the request's own transaction is rolled back later.
    """
    with service.store.writing() as unit:
        found = unit.withdraw_consents(subject, client_id, time.time())
        grant_ids = unit.list_live_grant_ids(subject, client_id)
        for grant_id in grant_ids:
            revoke_grant(service, unit, grant_id, client_id=client_id, reason="consent_withdrawn")
        if found:
            service.tell(unit, ConsentRevoked(client_id, subject))
    return found or bool(grant_ids)
