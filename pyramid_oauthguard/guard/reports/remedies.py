"""Which setting helps if an issuer can't be asked, for ``oauthguard check`` and ``oauthguard explain``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ...errors import UnavailableError

__all__ = ["Remedy", "find_remedy"]


@dataclass(frozen=True, slots=True)
class Remedy:
    """What to do about an :class:`~pyramid_oauthguard.errors.UnavailableError`.

    :ivar setting: the key that helps, or None if no setting helps.
    :ivar text: what to do, for a person.
    """

    setting: str | None
    text: str


#: The setting that names an address, by what is asked for there.
_ADDRESSES: Final = {
    "metadata": "oauthguard.metadata_url",
    "keys": "oauthguard.jwks_uri",
    "introspection": "oauthguard.introspection.endpoint",
    "userinfo": "oauthguard.userinfo.endpoint",
}
_CLIENT: Final = "oauthguard.introspection.client_id"
_ENDPOINT: Final = "oauthguard.introspection.endpoint"

#: What the detail of ``unreachable`` says, as :func:`pyramid_oauthguard.outages.name_cause` writes it.
_UNREACHABLE: Final[Mapping[str, Remedy]] = {
    r"certificate": Remedy("oauthguard.http.ca_file", "the issuer's certificate is not accepted here: if your own authority signed it, name its file with oauthguard.http.ca_file"),
    r"SSLError": Remedy("oauthguard.issuer", "no TLS connection: does this port speak https?"),
    r"Timeout": Remedy("oauthguard.http.timeout", "the answer did not arrive completely in time: can this machine reach the issuer? oauthguard.http.timeout allows more time"),
    r"NameResolution": Remedy("oauthguard.issuer", "the host name is not known here: is it right?"),
    r"ECONNREFUSED": Remedy(None, "nothing listens there: is the issuer running, and reachable from here?"),
}  # fmt: skip
_INTROSPECTION: Final[Mapping[str, Remedy]] = {
    r"answered 2\d\d\b": Remedy(_ENDPOINT, "an introspection endpoint (RFC 7662) says active true or false; is oauthguard.introspection.endpoint that of such an endpoint? It may be another one, such as tokeninfo or userinfo"),
    r"answered 40[013]\b": Remedy(_CLIENT, "check oauthguard.introspection.client_id, client_secret and auth_method; the client must be one that may introspect"),
    r"answered (404|405)\b": Remedy(_ENDPOINT, "is oauthguard.introspection.endpoint right?"),
}  # fmt: skip
_USERINFO: Final[Mapping[str, Remedy]] = {
    r"": Remedy("oauthguard.userinfo.endpoint", "a userinfo endpoint (OpenID Connect Core section 5.3) answers a token that it does not know with 401; is oauthguard.userinfo.endpoint that of such an endpoint?"),
}  # fmt: skip
_BY_REASON: Final[Mapping[str, Remedy]] = {
    "unsigned_answer": Remedy("oauthguard.introspection.signed", "the issuer must sign introspection answers for this client (RFC 9701): its registration there says so, in introspection_signed_response_alg. oauthguard.introspection.signed = off takes unsigned ones"),
    "bad_signed_answer": Remedy("oauthguard.introspection.signed", "the answer must be signed with a key of the issuer, be for oauthguard.introspection.client_id or an audience, and be new: compare the clocks, and the client's registration at the issuer"),
    "other_issuer": Remedy("oauthguard.issuer", "set oauthguard.issuer to what the issuer calls itself, trailing slash included, if you trust it"),
    "no_metadata": Remedy("oauthguard.metadata_url", "is oauthguard.issuer right? Where it is, name the document with oauthguard.metadata_url, or oauthguard.jwks_uri and introspection.endpoint"),
    "bad_metadata": Remedy("oauthguard.metadata_url", "oauthguard.metadata_url names another document; oauthguard.jwks_uri and introspection.endpoint take the place of what is wrong in this one"),
    "too_large": Remedy("oauthguard.http.max_bytes", "oauthguard.http.max_bytes allows more"),
    "no_usable_keys": Remedy("oauthguard.algorithms", "compare oauthguard.algorithms with what the issuer signs with"),
}  # fmt: skip
_ANSWERED_OTHERWISE: Final = frozenset(
    {"redirected", "not_json", "encoded", "forbidden_url", "bad_jwks", "no_endpoint"}
)


def find_remedy(error: UnavailableError, asked: str = "") -> Remedy:
    """What helps against ``error``.

    :param asked: ``"metadata"``, ``"keys"``, ``"introspection"`` or ``"userinfo"``; empty where only the error tells what was asked for.
    """
    tables = {"unreachable": _UNREACHABLE, "introspection_refused": _INTROSPECTION, "userinfo_refused": _USERINFO}
    for pattern, remedy in tables.get(error.reason, {}).items():
        if re.search(pattern, error.detail):
            return remedy
    if error.reason in _BY_REASON:
        return _BY_REASON[error.reason]
    if error.reason in _ANSWERED_OTHERWISE:
        return _name_address(error, asked or _guess(error.detail))
    return Remedy(None, "")


def _name_address(error: UnavailableError, asked: str) -> Remedy:
    setting = _ADDRESSES[asked]
    if error.reason == "redirected":
        return Remedy(setting, f"set {setting} to the address that it redirects to, if you trust it")
    return Remedy(setting, f"{setting} names another address")


def _guess(detail: str) -> str:
    if "/.well-known/" in detail and "names no" not in detail:
        return "metadata"
    return next((name for name in ("introspection", "userinfo") if name.removesuffix("ion") in detail), "keys")
