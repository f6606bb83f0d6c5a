"""Clients, their secrets and their keys."""

from __future__ import annotations

from typing import Any, Final

from ...clients.fields import ClientChanges
from ...clients.keys import list_names
from ...clients.registry import RegistrationError, get_clients
from ...clients.versions import find_version
from ...http.answers import build_answer
from ...store.records import CLIENT, Client
from .calls import Call
from .errors import NotFoundError, VersionRequiredError

__all__ = [
    "create_client",
    "create_secret",
    "disable_client",
    "edit_client",
    "end_secret",
    "replace_keys",
    "show_clients",
]

_LISTS: Final = frozenset({"redirect_uris", "grants", "scopes", "audiences", "assertion_subjects"})
_FIELDS: Final = tuple(ClientChanges.__annotations__)
_CLIENTS: Final = 200
_OF_SECRETS: Final = ("secret_id", "label", "created_at", "expires_at", "revoked_at", "last_used_at")


def show_clients(call: Call) -> Any:
    """A page of the clients, or the one that the query names."""
    clients = get_clients(call.registry)
    if "client_id" in call.query:
        return _answer(clients.find(call.query["client_id"]))
    limit = call.read_limit(_CLIENTS)
    found = clients.list_page(limit + 1, after=call.query.get("after"))
    following = found[limit - 1].client_id if len(found) > limit else None
    return build_answer(200, {"clients": [_describe(client) for client in found[:limit]], "next": following})


def create_client(call: Call) -> Any:
    """A new client. The answer is the only place where its secret is."""
    body = call.read_body()
    how = {"public": body.pop("public", False), "role": body.pop("role", CLIENT), "jwks": body.pop("jwks", None)}
    if not isinstance(how["public"], bool):
        raise RegistrationError("public", "must be true or false")
    if not isinstance(how["role"], str):
        raise RegistrationError("role", "must be a string")
    if how["jwks"] is not None:
        _check_keys(how["jwks"])
    fields = _read_fields(body)
    made = get_clients(call.registry).create(fields.pop("name", ""), **how, **fields)
    secret = {} if made.secret is None else {"client_secret": made.secret}
    return build_answer(201, {**_describe(made.client), **secret}, _tag(made.client))


def edit_client(call: Call) -> Any:
    """Change the fields in the body, if the client is as the caller has read it."""
    wanted = call.request.headers.get("If-Match")
    if wanted is None:
        raise VersionRequiredError
    version = None if wanted == "*" else wanted.removeprefix("W/").strip('"')
    client_id, changes = call.require("client_id"), _read_fields(call.read_body())
    return _answer(get_clients(call.registry).edit(client_id, version=version, **changes))


def disable_client(call: Call) -> Any:
    """End a client with all its tokens."""
    get_clients(call.registry).revoke(call.require("client_id"))
    return build_answer(204, None)


def create_secret(call: Call) -> Any:
    """Another secret; the older ones end after a week."""
    client_id = call.require("client_id")
    made = get_clients(call.registry).rotate_secret(client_id, label="api")
    body = {"client_id": client_id, "secret_id": made.secret_id, "client_secret": made.secret}
    return build_answer(201, body)


def end_secret(call: Call) -> Any:
    """End one secret at once."""
    get_clients(call.registry).revoke_secret(call.require("client_id"), call.require("secret_id"))
    return build_answer(204, None)


def replace_keys(call: Call) -> Any:
    """Other public keys; the old ones end at once."""
    client_id, body = call.require("client_id"), call.read_body()
    _check_keys(body)
    clients = get_clients(call.registry)
    clients.replace_keys(client_id, body)
    return _answer(clients.find(client_id))


def _check_keys(keys: Any) -> None:
    members = keys.get("keys") if isinstance(keys, dict) else None
    if not isinstance(members, list) or not all(isinstance(key, dict) for key in members):
        raise RegistrationError("jwks", "must be a JSON Web Key Set: an object with a list of keys")


def _read_fields(body: dict[str, Any]) -> dict[str, Any]:
    """The fields of a client, each of its type; the registry checks the rest.

    :raises RegistrationError: an unknown field, or a value of another type.
    """
    unknown = sorted(body.keys() - set(_FIELDS))
    if unknown:
        raise RegistrationError("body", f"only these fields can be set: {', '.join(_FIELDS)}")
    for name in _LISTS & body.keys():
        if not isinstance(body[name], list) or not all(isinstance(each, str) for each in body[name]):
            raise RegistrationError(name, "must be a list of strings")
    return body


def _answer(client: Client | None) -> Any:
    if client is None:
        raise NotFoundError
    return build_answer(200, _describe(client), _tag(client))


def _tag(client: Client) -> list[tuple[str, str]]:
    return [("ETag", f'"{find_version(client)}"')]


def _describe(client: Client) -> dict[str, Any]:
    """What the API says of a client: no secret and no hash of one."""
    return {
        "client_id": client.client_id,
        "role": client.role,
        "public": client.public,
        "registered_by": client.registered_by,
        "created_at": client.created_at,
        "revoked_at": client.revoked_at,
        **{name: getattr(client, name) for name in _FIELDS},
        "key_names": [] if client.jwks is None else list(list_names(client.jwks)),
        "secrets": [{name: getattr(secret, name) for name in _OF_SECRETS} for secret in client.secrets],
    }
