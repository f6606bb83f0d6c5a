"""The forms with which a client is created and edited: its fields as text, and the text as fields."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from ...settings import as_duration
from ..grant_types import RegistrationError
from ..store.records import CLIENT, RESOURCE_SERVER, Client

__all__ = [
    "EMPTY",
    "describe_fields",
    "describe_problem",
    "find_differences",
    "read_fields",
    "read_new_client",
    "repeat_fields",
    "repeat_new_client",
]

_LISTS: Final = ("redirect_uris", "grants", "scopes", "audiences", "assertion_subjects")
_LIVES: Final = ("access_token_ttl", "refresh_token_ttl", "refresh_token_max_age")
_TEXTS: Final = ("owner", "home_page", "policy", "jwks_uri")
_SWITCHES: Final = ("first_party", "loopback_localhost")
_NEW_LISTS: Final = ("redirect_uris", "grants", "scopes", "audiences")
_NEW_SWITCHES: Final = ("public", "resource_server")
#: The values of the form for a new client, before anything is typed.
EMPTY: Final[Mapping[str, Any]] = MappingProxyType(
    {**dict.fromkeys(("name", *_NEW_LISTS), ""), **dict.fromkeys(_NEW_SWITCHES, False)}
)
_PKCE: Final = {"setting": None, "required": True, "optional": False}


def describe_fields(client: Client) -> dict[str, Any]:
    """The values of the form for a client."""
    values: dict[str, Any] = {"name": client.name}
    values |= {name: "\n".join(getattr(client, name)) for name in _LISTS}
    values |= {name: _show_life(getattr(client, name)) for name in _LIVES}
    values |= {name: getattr(client, name) or "" for name in _TEXTS}
    values |= {name: getattr(client, name) for name in _SWITCHES}
    values["require_pkce"] = next(word for word, value in _PKCE.items() if value is client.require_pkce)
    return values


def repeat_fields(form: Mapping[str, str]) -> dict[str, Any]:
    """The values of the form as they were sent."""
    values: dict[str, Any] = {name: form.get(name, "") for name in ("name", "require_pkce", *_LISTS, *_LIVES, *_TEXTS)}
    return values | {name: name in form for name in _SWITCHES}


def read_fields(form: Mapping[str, str]) -> dict[str, Any]:
    """The changes that a form asks for: the arguments of :meth:`~..clients.registry.ClientRegistry.edit`.

    :raises RegistrationError: a text that can't be the value of its field.
    """
    changes: dict[str, Any] = {"name": form.get("name", "")}
    changes |= {name: form.get(name, "").split() for name in _LISTS}
    changes |= {name: _read_life(name, form.get(name, "")) for name in _LIVES}
    changes |= {name: form.get(name, "").strip() or None for name in _TEXTS}
    changes |= {name: name in form for name in _SWITCHES}
    if form.get("require_pkce") not in _PKCE:
        raise RegistrationError("require_pkce", f"must be one of {', '.join(_PKCE)}")
    return {**changes, "require_pkce": _PKCE[form["require_pkce"]]}


def find_differences(client: Client, form: Mapping[str, str]) -> dict[str, str]:
    """What was sent, where the client has something else."""
    present, sent = describe_fields(client), repeat_fields(form)
    return {name: str(sent[name]) for name in sent if str(sent[name]).split() != str(present[name]).split()}


def read_new_client(form: Mapping[str, str]) -> dict[str, Any]:
    """What a form asks for: arguments of :meth:`~..clients.registry.ClientRegistry.create`."""
    return {
        "name": form.get("name", ""),
        "public": "public" in form,
        "role": RESOURCE_SERVER if "resource_server" in form else CLIENT,
        **{name: form.get(name, "").split() for name in _NEW_LISTS},
    }


def repeat_new_client(form: Mapping[str, str]) -> dict[str, Any]:
    """The values of the form for a new client as they were sent."""
    return {name: name in form if name in _NEW_SWITCHES else form.get(name, "") for name in EMPTY}


def describe_problem(error: RegistrationError) -> dict[str, str]:
    """What is wrong, and with which field: for the message beside it."""
    return {"field": error.argument, "text": str(error)}


def _show_life(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return str(int(seconds)) if seconds.is_integer() else str(seconds)


def _read_life(name: str, text: str) -> float | None:
    if not text.strip():
        return None
    try:
        return as_duration(text)
    except ValueError as error:
        raise RegistrationError(name, str(error)) from None
