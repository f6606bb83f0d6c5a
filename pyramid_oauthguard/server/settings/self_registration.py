"""The settings of clients that register themselves: by a request (RFC 7591), or by a document at their ``client_id``."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ...errors import SettingError
from ...settings import Setting, as_bool, as_choice, as_duration_within, as_int, as_list
from ...urls import as_origin
from .places import as_places, find_document_fault, is_at, is_development_url

__all__ = ["ROWS", "SelfRegistration", "take_self_registration"]

_DAY_SECONDS: Final = 86400.0
_LEAST_TOKEN_CHARACTERS: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfRegistration:
    """The values of :data:`ROWS`.

    :ivar scopes: the most that such a client may have; empty if no client can register itself.
    """

    scopes: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()
    remember_consent: bool = False
    documents: bool = False
    documents_allow: tuple[str, ...] = ()
    documents_deny: tuple[str, ...] = ()
    documents_redirects: str = "own"
    documents_development: bool = False
    documents_max_stale: float = 7 * _DAY_SECONDS
    registration: str = "off"
    registration_tokens: tuple[str, ...] = field(default=(), repr=False)
    registration_unused_ttl: float = _DAY_SECONDS
    registration_max_unused: int = 10_000

    def is_document_id(self, client_id: str) -> bool:
        """Whether a client with this id is one that a document describes, and that the settings let in."""
        if not self.documents:
            return False
        if find_document_fault(client_id) is not None:
            return self.documents_development and is_development_url(client_id)
        origin = as_origin(client_id)
        if is_at(client_id, origin, self.documents_deny, any_case=True):
            return False
        return not self.documents_allow or is_at(client_id, origin, self.documents_allow, any_case=False)

    def lets_in(self, client_id: str) -> bool:
        """Whether the settings still serve a client with this id. The ids of clients without a document have no ``://``."""
        return "://" not in client_id or self.is_document_id(client_id)


ROWS: tuple[Setting, ...] = (
    Setting("self_registered.scopes", as_list, (), "The most that clients may have that register themselves: names of `scopes`. Required with `registration` and `client_metadata_documents`."),
    Setting("self_registered.audiences", as_list, (), "The APIs that tokens of such clients may be for. Required with `registration` and `client_metadata_documents`."),
    Setting("self_registered.remember_consent", as_bool, False, "Users are not asked again if such a client signs (`private_key_jwt`), and they allowed it the same before, with the same redirect URI. By default they are asked every time; a public client always asks."),
    Setting("client_metadata_documents", as_bool, False, "The `client_id` may be the https URL of a document in which the client describes itself (Client ID Metadata Document)."),
    Setting("client_metadata_documents.allow", as_places, (), "The only places where documents may be: a host, `*.host` for the hosts below it, or `host/path/` for the documents below it, in the same letter case. By default, all."),
    Setting("client_metadata_documents.deny", as_places, (), "Places where documents may not be, written like `client_metadata_documents.allow`, in any letter case. This list takes precedence, and ends the tokens of its clients."),
    Setting("client_metadata_documents.redirects", as_choice("own", "any"), "own", "`own`: redirect URIs must be on the origin of the document, on a loopback host, or of a private-use scheme. `any`: on any host."),
    Setting("client_metadata_documents.development", as_bool, False, "Documents may be on a loopback host, also without TLS: for tests."),
    Setting("client_metadata_documents.max_stale", as_duration_within(_DAY_SECONDS, 90 * _DAY_SECONDS, "1 to 90 days"), 7 * _DAY_SECONDS, "How long a client is served whose document can't be read any more, or does not describe the same client: 1 to 90 days after it was last read well. Then its tokens end."),
    Setting("registration", as_choice("off", "token", "open"), "off", "Dynamic client registration (RFC 7591) at `/oauth/register`: `open` for everyone, `token` for callers that send one of `registration.tokens`."),
    Setting("registration.tokens", as_list, (), "Initial access tokens, separated by white space: at least 32 ASCII characters each, such as those of `openssl rand -hex 32`.", secret=True),
    Setting("registration.unused_ttl", as_duration_within(60, _DAY_SECONDS, "a minute to a day"), _DAY_SECONDS, "When a registered client ends that no user has allowed anything; a day at most."),
    Setting("registration.max_unused", as_int, 10_000, "How many registered clients there may be that no user has allowed anything; further registrations are answered 429."),
)  # fmt: skip  # one row a line reads as the table it is


def take_self_registration(
    values: Mapping[str, Any], *, prefix: str, scopes: Collection[str]
) -> tuple[SelfRegistration, dict[str, Any]]:
    """The values of :data:`ROWS`, and the values of the other rows.

    :param scopes: the scopes that exist.
    :raises SettingError: a value that needs another one, or contradicts it.
    """
    mine = {row.field: values[row.field] for row in ROWS}
    others = {name: value for name, value in values.items() if name not in mine}
    mine["documents"] = mine.pop("client_metadata_documents")
    names = {name: name.removeprefix("self_registered_").removeprefix("client_metadata_") for name in mine}
    found = SelfRegistration(**{names[name]: value for name, value in mine.items()})
    _check_rights(found, prefix, scopes)
    _check_tokens(found, prefix)
    return found, others


def _check_rights(found: SelfRegistration, prefix: str, scopes: Collection[str]) -> None:
    switches = {"registration": found.registration, "client_metadata_documents": "on" if found.documents else "off"}
    on = [f"{prefix}.{name} = {value}" for name, value in switches.items() if value != "off"]
    for name in ("scopes", "audiences"):
        if on and not getattr(found, name):
            key, hint = f"{prefix}.self_registered.{name}", "name the most that such a client may have"
            raise SettingError(key, f"is required with {on[0]}", hint)
    for scope in found.scopes:
        if scope not in scopes:
            raise SettingError(f"{prefix}.self_registered.scopes", f"{scope!r} is not in {prefix}.scopes")


def _check_tokens(found: SelfRegistration, prefix: str) -> None:
    key = f"{prefix}.registration.tokens"
    if found.registration == "token" and not found.registration_tokens:
        hint = "`openssl rand -hex 32` makes one; registration = open lets everyone register"
        raise SettingError(key, f"is required with {prefix}.registration = token", hint)
    if not all(token.isascii() and len(token) >= _LEAST_TOKEN_CHARACTERS for token in found.registration_tokens):
        problem = f"must be tokens of at least {_LEAST_TOKEN_CHARACTERS} ASCII characters"
        raise SettingError(key, problem, "`openssl rand -hex 32` makes one")
