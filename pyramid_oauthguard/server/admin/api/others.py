"""Users, signing keys, the audit trail and the health."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any, Final

from ....health.board import describe_report, find_board
from ...http.answers import build_answer
from ...http.errors import InvalidRequestError
from ...keys.registry import get_keys
from ...store.records import AuditEntry
from ...users import get_users
from ..trail import DEPTH
from .calls import Call
from .errors import NotFoundError

__all__ = [
    "change_key",
    "end_grants",
    "forget_user",
    "make_key",
    "show_audit",
    "show_grants",
    "show_health",
    "show_keys",
]

_LINES: Final = 200
_GRANTS: Final = 200
_STATES: Final = ("retired", "revoked")


def show_grants(call: Call) -> Any:
    """What a user allowed: the live grants, and the consents that are remembered."""
    users, subject = get_users(call.registry), call.require("subject")
    limit = call.read_limit(_GRANTS)
    found = users.list_grants(subject, limit=limit + 1)
    remembered = users.list_consents(subject, limit=limit + 1)
    grants = [
        {"grant_id": each.grant_id, "client_id": each.client_id, "scopes": each.scopes, "audiences": each.audiences,
         "created_at": each.created_at, "auth_time": each.auth_time}
        for each in found[:limit]
    ]  # fmt: skip
    consents = [
        {"client_id": each.client_id, "scopes": each.scopes, "audiences": each.audiences, "allowed_at": each.allowed_at}
        for each in remembered[-limit:]
    ]
    is_cut = limit < max(len(found), len(remembered))
    return build_answer(200, {"grants": grants, "consents": consents, "more": is_cut})


def end_grants(call: Call) -> Any:
    """End one grant, or all grants and consents of a user."""
    if len(call.query.keys() & {"grant_id", "subject"}) != 1:
        raise InvalidRequestError("Send either grant_id or subject.")
    users = get_users(call.registry)
    if "subject" in call.query:
        return build_answer(200, {"ended": users.end_all(call.query["subject"])})
    if not users.end_grant(call.query["grant_id"]):
        raise NotFoundError
    return build_answer(200, {"ended": 1})


def forget_user(call: Call) -> Any:
    """End all grants of a user, and delete what is stored of them."""
    get_users(call.registry).forget(call.require("subject"))
    return build_answer(204, None)


def show_keys(call: Call) -> Any:
    """All signing keys, without their private halves."""
    keys = [
        {
            "kid": each.record.kid,
            "algorithm": each.record.algorithm,
            "state": each.state,
            "active_from": each.record.active_from,
            "expires_at": each.record.expires_at,
        }
        for each in get_keys(call.registry).list_all()
    ]
    return build_answer(200, {"keys": keys})


def make_key(call: Call) -> Any:
    """Make and publish the next key."""
    made = get_keys(call.registry).rotate()
    return build_answer(201, {"kid": made.kid, "algorithm": made.algorithm, "active_from": made.active_from})


def change_key(call: Call) -> Any:
    """Retire or revoke a key."""
    keys, kid, body = get_keys(call.registry), call.require("kid"), call.read_body()
    if list(body) != ["state"] or body["state"] not in _STATES:
        raise InvalidRequestError(f"The body must have one member: state, which is {' or '.join(_STATES)}.")
    if body["state"] == "retired":
        keys.retire(kid)
    else:
        keys.revoke(kid)
    return show_keys(call)


def show_audit(call: Call) -> Any:
    """The newest lines of the audit trail, and where older ones begin."""
    with call.service.store.reading() as unit:
        found = unit.search_audit(
            limit=call.read_limit(_LINES),
            depth=DEPTH,
            before=call.read_number("before"),
            since=call.read_number("since"),
            event=call.query.get("event"),
            client_id=call.query.get("client_id"),
            subject=call.query.get("subject"),
        )
    return build_answer(200, {"entries": [_describe(entry) for entry in found.entries], "next": found.older})


def show_health(call: Call) -> Any:
    """What the health view tells those who may know the reasons."""
    return build_answer(200, describe_report(find_board(call.registry).find()))


def _describe(entry: AuditEntry) -> dict[str, Any]:
    return {**asdict(entry), "detail": json.loads(entry.detail) if entry.detail else None}
