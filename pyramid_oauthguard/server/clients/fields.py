"""What an operator says about a client: the arguments of ``create`` and ``edit``, each with its conversion."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypedDict

from ...urls import check_url
from ..grant_types import GrantDeclaration, RegistrationError, as_grant

__all__ = ["MAX_CHARACTERS", "URI", "ClientChanges", "ClientFields", "convert_fields"]

MAX_CHARACTERS: Final = 255
URI: Final = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+")  # RFC 3986 section 2
_MAX_URL_CHARACTERS: Final = 2000
_MAX_LIFE_SECONDS: Final = 3650 * 86400.0


class ClientFields(TypedDict, total=False):
    """The registration of a client.

    :ivar redirect_uris: compared as exact strings; https, http for loopback hosts, or a private-use scheme with a dot; the port
        of a loopback IP address is free (RFC 8252 section 7.3).
    :ivar grants: ``client_credentials``, ``authorization_code``, ``refresh_token``, ``device_code``, or one that was added by
        ``config.add_oauth_grant``: grant types or their short names.
    :ivar scopes: the most it may ask for. They need not be in the settings, but are not granted until they are.
    :ivar audiences: the APIs its tokens may be for; for a resource server, the APIs that it is. Empty: the setting
        ``oauthguard.server.audience``.
    :ivar require_pkce: None: the setting. False is possible only for a confidential client whose redirect URIs are all https on
        hosts that are not loopback.
    :ivar first_party: the application's own client: users are not asked, if the redirect URI is https on a host that is not
        loopback.
    :ivar loopback_localhost: the port of ``http://localhost`` is free, too.
    :ivar access_token_ttl: seconds; None: the setting. The same for ``refresh_token_ttl`` and ``refresh_token_max_age``.
    :ivar owner: who operates it; the consent page names them.
    :ivar home_page: an https URL, for the consent page.
    :ivar policy: the https URL of its privacy policy, for the consent page.
    :ivar jwks_uri: the URL of its public keys, instead of ``jwks``.
    :ivar assertion_subjects: the users that its own keys may assert (RFC 7523); one ``*`` in each stands for any text.
    """

    redirect_uris: Iterable[str]
    grants: Iterable[str]
    scopes: Iterable[str]
    audiences: Iterable[str]
    require_pkce: bool | None
    first_party: bool
    loopback_localhost: bool
    access_token_ttl: float | None
    refresh_token_ttl: float | None
    refresh_token_max_age: float | None
    owner: str | None
    home_page: str | None
    policy: str | None
    jwks_uri: str | None
    assertion_subjects: Iterable[str]


class ClientChanges(ClientFields, total=False):
    """What can be changed later: the registration, and what people read on the consent page."""

    name: str


def convert_fields(fields: Mapping[str, Any], known_grants: Mapping[str, GrantDeclaration]) -> dict[str, Any]:
    """The values of a client record.

    :raises RegistrationError: naming the field that is wrong.
    :raises TypeError: there is no such field.
    """
    unknown = sorted(fields.keys() - _CONVERSIONS.keys())
    if unknown:
        raise TypeError(f"a client has no {unknown[0]!r}: {', '.join(_CONVERSIONS)}")
    found = {name: _CONVERSIONS[name](name, value) for name, value in fields.items()}
    if "grants" in found:
        found["grants"] = tuple(dict.fromkeys(as_grant(grant, known_grants) for grant in found["grants"]))
    return found


def _as_words(name: str, values: Any) -> tuple[str, ...]:
    if isinstance(values, str):
        raise RegistrationError(name, "must be a list of strings, not one string")
    words = tuple(dict.fromkeys(values))
    if not all(word and not re.search(r"\s", word) for word in words):
        raise RegistrationError(name, "must be non-empty strings without white space")
    if not all(word.isprintable() for word in words):  # PostgreSQL stores no NUL
        raise RegistrationError(name, "must have printable characters only")
    return words


def _as_name(name: str, value: Any) -> str:
    text = value.strip() if isinstance(value, str) else ""
    if not text or len(text) > MAX_CHARACTERS or not text.isprintable():
        raise RegistrationError(name, f"must be 1 to {MAX_CHARACTERS} printable characters")
    return text


def _as_optional_name(name: str, value: Any) -> str | None:
    return None if value is None else _as_name(name, value)


def _as_switch(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise RegistrationError(name, "must be True or False")
    return value


def _as_optional_switch(name: str, value: Any) -> bool | None:
    return None if value is None else _as_switch(name, value)


def _as_life(name: str, value: Any) -> float | None:
    if value is None:
        return None
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not 1 <= value <= _MAX_LIFE_SECONDS:
        raise RegistrationError(name, f"must be 1 second to {_MAX_LIFE_SECONDS / 86400:g} days")
    return float(value)


def _as_link(name: str, value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > _MAX_URL_CHARACTERS or not URI.fullmatch(value):
        raise RegistrationError(name, f"must be a URL of at most {_MAX_URL_CHARACTERS} characters")
    try:
        check_url(value)
    except ValueError as error:
        raise RegistrationError(name, str(error)) from None
    return value


_CONVERSIONS: Final[dict[str, Callable[[str, Any], Any]]] = {
    "name": _as_name,
    "redirect_uris": _as_words,
    "grants": _as_words,
    "scopes": _as_words,
    "audiences": _as_words,
    "require_pkce": _as_optional_switch,
    "first_party": _as_switch,
    "loopback_localhost": _as_switch,
    "access_token_ttl": _as_life,
    "refresh_token_ttl": _as_life,
    "refresh_token_max_age": _as_life,
    "owner": _as_optional_name,
    "home_page": _as_link,
    "policy": _as_link,
    "jwks_uri": _as_link,
    "assertion_subjects": _as_words,
}
