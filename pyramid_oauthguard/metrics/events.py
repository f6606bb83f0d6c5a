"""The events of an authorization server, counted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from ..server import events
from ..telemetry.counting import note
from .series import OTHER

__all__ = ["build_follower"]

#: The reasons with which tokens are revoked. Those that end in ``_reuse`` are of something that was sent twice.
_REASONS: Final = frozenset(
    {"revocation_request", "code_reuse", "device_code_reuse", "refresh_token_reuse", "consent_withdrawn"}
)
_REUSE: Final = "_reuse"
_DENIERS: Final = {"user": "denied", "application": "denied_by_application"}


def build_follower(find_grants: Callable[[], Collection[str]], clients: Collection[str]) -> Callable[[Any], None]:
    """A function that counts an event.

    :param find_grants: the grant types that are on.
    :param clients: the ids of the clients that are a label of their own.
    """

    def count_token(event: events.TokenIssued) -> None:
        grant = event.grant_type if event.grant_type in find_grants() else OTHER
        note("tokens_issued", grant, event.client_id if event.client_id in clients else OTHER)

    counters: Mapping[type, Callable[[Any], None]] = {
        events.TokenIssued: count_token,
        events.TokenRevoked: _count_revocation,
        events.ClientRevoked: lambda event: _count_ended("client_revoked", len(event.token_ids)),
        events.AuthorizationApproved: _count_approval,
        events.AuthorizationDenied: lambda event: note("consents", _DENIERS.get(event.by, OTHER)),
        events.ConsentRevoked: lambda event: note("consents", "withdrawn"),
    }

    def count(event: Any) -> None:
        counter = counters.get(type(event))
        if counter is not None:
            counter(event)

    return count


def _count_revocation(event: events.TokenRevoked) -> None:
    reason = event.reason if event.reason in _REASONS else OTHER
    _count_ended(reason, len(event.token_ids))
    if reason.endswith(_REUSE):
        note("reuses", reason.removesuffix(_REUSE))


def _count_ended(reason: str, count: int) -> None:
    if count:
        note("tokens_revoked", reason, value=count)


def _count_approval(event: events.AuthorizationApproved) -> None:
    note("consents", "first_party" if event.first_party else "remembered" if event.remembered else "allowed")
