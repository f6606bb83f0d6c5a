"""The settings of clients that register themselves: by a request (RFC 7591), or by a document at their ``client_id``."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ...errors import SettingError
from ...settings import Setting, as_choice, as_duration, as_int, as_list

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
    registration: str = "off"
    registration_tokens: tuple[str, ...] = field(default=(), repr=False)
    registration_unused_ttl: float = _DAY_SECONDS
    registration_max_unused: int = 10_000


def _as_unused_ttl(value: Any) -> float:
    seconds = as_duration(value)
    if not 60 <= seconds <= _DAY_SECONDS:
        raise ValueError(f"must be a minute to a day, not {value!r}")
    return seconds


ROWS: tuple[Setting, ...] = (
    Setting("self_registered.scopes", as_list, (), "The most that clients may have that register themselves: names of `scopes`. Required with `registration`."),
    Setting("self_registered.audiences", as_list, (), "The APIs that tokens of such clients may be for. Required with `registration`."),
    Setting("registration", as_choice("off", "token", "open"), "off", "Dynamic client registration (RFC 7591) at `/oauth/register`: `open` for everyone, `token` for callers that send one of `registration.tokens`."),
    Setting("registration.tokens", as_list, (), "Initial access tokens, separated by white space: at least 32 ASCII characters each, such as those of `openssl rand -hex 32`.", secret=True),
    Setting("registration.unused_ttl", _as_unused_ttl, _DAY_SECONDS, "When a registered client ends that no user has allowed anything; a day at most."),
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
    found = SelfRegistration(**{name.removeprefix("self_registered_"): value for name, value in mine.items()})
    _check_rights(found, prefix, scopes)
    _check_tokens(found, prefix)
    return found, others


def _check_rights(found: SelfRegistration, prefix: str, scopes: Collection[str]) -> None:
    for name in ("scopes", "audiences"):
        if found.registration != "off" and not getattr(found, name):
            key, hint = f"{prefix}.self_registered.{name}", "name the most that a client of anyone may have"
            raise SettingError(key, f"is required with {prefix}.registration = {found.registration}", hint)
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
