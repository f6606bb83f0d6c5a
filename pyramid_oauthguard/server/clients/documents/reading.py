"""From the bytes of a document to a client: which documents describe one, and with what the client is registered."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from ....fetch.pinned import Text
from ....strict_json import parse_document
from ....urls import as_origin, is_loopback
from ...grant_types import RegistrationError
from ...http.errors import OAuth2Error
from ...settings import ServerSettings
from ...store.records import DOCUMENT, Client
from ..credentials import NONE, PRIVATE_KEY
from ..keys import as_key_set
from ..metadata import build_self_registered, drop_nulls, read_metadata
from ..names import is_taken
from ..registration import check_redirect_uri

__all__ = ["DocumentError", "find_lifetime", "read_client", "read_keys"]

_SECRETS: Final = frozenset({"client_secret", "client_secret_expires_at"})
_JSON: Final = re.compile(r"application/(?:[a-z0-9.+-]+\+)?json")
_LEAST_SECONDS: Final = 300.0
_MOST_SECONDS: Final = 86400.0
_USUAL_SECONDS: Final = 3600.0
_PORTLESS: Final = re.compile(r"http://localhost(?:[/?]|\Z)")
_MAX_AGE: Final = re.compile(r"(?:^|[\s,])max-age=\"?(\d{1,9})")


class DocumentError(Exception):
    """A document that describes no client; the text is the reason, for a log."""


def read_client(url: str, text: Text, settings: ServerSettings, *, names: Iterable[str]) -> Client:
    """The client that a document describes, without the keys at its ``jwks_uri``.

    :param url: where the document is: the ``client_id``.
    :param names: those of the clients of the operator, which it may not have.
    :raises DocumentError: it describes none.
    """
    document = drop_nulls(_parse(text))
    if document.get("client_id") != url:
        raise DocumentError("its client_id is not its URL")
    if _SECRETS & document.keys():
        raise DocumentError("it has a secret, which everyone can read")
    document.setdefault("token_endpoint_auth_method", NONE)
    if document["token_endpoint_auth_method"] not in (NONE, PRIVATE_KEY):
        raise DocumentError("its token_endpoint_auth_method is neither none nor private_key_jwt")
    jwks_uri = _take_jwks_uri(document)
    document["redirect_uris"] = _list_usable(document.get("redirect_uris"))
    try:
        found = read_metadata(document, settings, keys_follow=jwks_uri is not None)
    except OAuth2Error as error:
        raise DocumentError(f"{error.error}: {error.get_error_description()}") from None
    client = build_self_registered(found, settings, client_id=url, by=DOCUMENT)
    client = _free_port(_choose_redirects(client, settings))
    return _date(_rename(client, document, names), text, settings, jwks_uri)


def read_keys(text: Text) -> str:
    """The key set of a client, as it is stored.

    :raises DocumentError: it is not such a document, or has keys that can't be used.
    """
    try:
        return as_key_set(_parse(text))
    except RegistrationError as error:
        raise DocumentError(f"its key set: {error.problem}") from None


def find_lifetime(headers: Mapping[str, str]) -> float:
    """How long a document counts as fresh (RFC 9111 section 5.2.2.1): 5 minutes to a day."""
    control = headers.get("Cache-Control", "").lower()
    if "no-store" in control or "no-cache" in control:
        return _LEAST_SECONDS
    match = _MAX_AGE.search(control)
    wanted = float(match[1]) if match else _USUAL_SECONDS
    return min(max(wanted, _LEAST_SECONDS), _MOST_SECONDS)


def _parse(text: Text) -> dict[str, Any]:
    kind = text.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if not _JSON.fullmatch(kind):
        raise DocumentError("its media type is not JSON")
    try:
        return parse_document(text.body)
    except ValueError:
        raise DocumentError("it is not a JSON object") from None


def _take_jwks_uri(document: dict[str, Any]) -> str | None:
    """Where the keys are. Removed from the document, since the registration endpoint refuses it."""
    uri = document.pop("jwks_uri", None)
    if uri is None or document["token_endpoint_auth_method"] == NONE:
        return None
    if not isinstance(uri, str) or "jwks" in document:
        raise DocumentError("it must have a jwks_uri, or jwks, and not both")
    return uri


def _list_usable(uris: Any) -> Any:
    """Redirect URIs without those that no client may register: a document is written for many servers. What is not a list is left as
    it is."""
    return (
        [uri for uri in uris if not isinstance(uri, str) or _may_be_registered(uri)] if isinstance(uris, list) else uris
    )


def _may_be_registered(uri: str) -> bool:
    try:
        check_redirect_uri(uri)
    except RegistrationError:
        return False
    return True


def _choose_redirects(client: Client, settings: ServerSettings) -> Client:
    """The client with those of its redirect URIs that may be used; the others are left out."""
    if settings.self_registration.documents_redirects == "any":
        return client
    home = as_origin(client.client_id)
    own = tuple(uri for uri in client.redirect_uris if _is_own(uri, home))
    if not own:
        raise DocumentError(
            "none of its redirect URIs is on its origin, on a loopback host, or of a private-use scheme"
        )
    return replace(client, redirect_uris=own)


def _free_port(client: Client) -> Client:
    """A program whose document names ``http://localhost`` without a port takes any port that is free, as on a loopback IP address.
    No operator can say so for it."""
    return replace(client, loopback_localhost=any(map(_PORTLESS.match, client.redirect_uris)))


def _is_own(uri: str, home: Any) -> bool:
    if uri.partition(":")[0].lower() not in {"https", "http"}:
        return True
    origin = as_origin(uri)
    return origin == home or is_loopback(origin.host)


def _rename(client: Client, document: Mapping[str, Any], names: Iterable[str]) -> Client:
    """The client under the name of its host if it has none of its own."""
    if document.get("client_name") and not is_taken(client.name, names):
        return client
    return replace(client, name=as_origin(client.client_id).host)


def _date(client: Client, text: Text, settings: ServerSettings, jwks_uri: str | None) -> Client:
    now = time.time()
    return replace(
        client,
        fresh_until=now + find_lifetime(text.headers),
        expires_at=now + settings.self_registration.documents_max_stale,
        jwks_uri=jwks_uri,
    )
