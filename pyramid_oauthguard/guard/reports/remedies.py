"""Which setting helps if an issuer can't be asked, for ``oauthguard check`` and ``oauthguard explain``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ...errors import UnavailableError

__all__ = ["Remedy", "find_remedy", "names_other_use"]


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
    r"certificate has expired": Remedy(None, "the issuer's certificate has expired: who runs the issuer must renew it; or this machine's clock is wrong"),
    r"certificate is not yet valid": Remedy(None, "the issuer's certificate is for a time that this machine's clock does not show yet: set the clock"),
    r"certificate": Remedy("oauthguard.http.ca_file", "the issuer's certificate is not accepted here: if your own authority signed it, name its file with oauthguard.http.ca_file"),
    r"ProtocolError": Remedy("oauthguard.issuer", "the connection was cut before there was an answer: by a firewall, or because the address has http and this port speaks https"),
    r"SSLError": Remedy("oauthguard.issuer", "no TLS connection: does this port speak https?"),
}  # fmt: skip
#: As before, where the host can't be reached: perhaps it has another address in this network.
_AWAY: Final[Mapping[str, str]] = {
    r"Timeout": "the answer did not arrive completely in time: can this machine reach the issuer? oauthguard.http.timeout allows more time.",
    r"NameResolution": "the host name is not known here: is it right?",
    r"ECONNREFUSED": "nothing listens there: is the issuer running, and reachable from here?",
    r"EHOSTUNREACH|ENETUNREACH": "this machine has no way to that address.",
}  # fmt: skip
_PROXY_ONLY: Final = "; if it is reached through a proxy only, set oauthguard.http.proxy"
_PROXY: Final[Mapping[str, Remedy]] = {
    r"it answered 407": Remedy("oauthguard.http.proxy", "the proxy requires a user and a password: write them before its host, in oauthguard.http.proxy or in the variable of the environment"),
    r"it answered ": Remedy("oauthguard.http.no_proxy", "the proxy refuses this host. oauthguard.http.no_proxy lists hosts that are asked without it"),
    r"": Remedy("oauthguard.http.proxy", "the proxy can't be reached: is its address right in oauthguard.http.proxy, or in the variable of the environment? oauthguard.http.no_proxy lists hosts that are asked without it"),
}  # fmt: skip
_OTHER_HOST: Final = re.compile(r"certificate is not valid for")
_TOO_OFTEN: Final = Remedy(
    "oauthguard.cache.introspection.expiration_time",
    "the issuer is asked too often: with oauthguard.cache.introspection.expiration_time = 30, answers are kept for 30 s, and a token that was revoked is accepted for as long",
)
_INTROSPECTION: Final[Mapping[str, Remedy]] = {
    r"answered 429\b": _TOO_OFTEN,
    r"answered 5\d\d\b": Remedy(None, ""),
    r"answered 2\d\d\b": Remedy(_ENDPOINT, "an introspection endpoint (RFC 7662) says active true or false; is oauthguard.introspection.endpoint that of such an endpoint? It may be another one, such as tokeninfo or userinfo"),
    r"answered 40[013]\b": Remedy(_CLIENT, "check oauthguard.introspection.client_id, client_secret and auth_method, with private_key_jwt also assertion_audience; the client must be one that may introspect. An issuer that does not decode what is form-encoded wants auth_method = http_basic"),
    r"answered (404|405|406|415)\b": Remedy(_ENDPOINT, "is oauthguard.introspection.endpoint right?"),
}  # fmt: skip
_USERINFO: Final[Mapping[str, Remedy]] = {
    r"answered 429\b": _TOO_OFTEN,
    r"answered 5\d\d\b": Remedy(None, ""),
    r"": Remedy("oauthguard.userinfo.endpoint", "a userinfo endpoint (OpenID Connect Core section 5.3) answers a token that it does not know with 401; is oauthguard.userinfo.endpoint that of such an endpoint?"),
}  # fmt: skip
_BY_REASON: Final[Mapping[str, Remedy]] = {
    "unsigned_answer": Remedy("oauthguard.introspection.signed", "the issuer must sign introspection answers for this client (RFC 9701): its registration there says so, in introspection_signed_response_alg. oauthguard.introspection.signed = off takes unsigned ones"),
    "bad_signed_answer": Remedy("oauthguard.introspection.signed", "the answer must be signed with a key of the issuer, be for oauthguard.introspection.client_id or an audience, and be new: compare the clocks, and the client's registration at the issuer"),
    "signed_answer": Remedy("oauthguard.introspection.signed", "oauthguard.introspection.signed = required verifies signed answers (RFC 9701)"),
    "other_issuer": Remedy("oauthguard.issuer", "set oauthguard.issuer to what the issuer calls itself, trailing slash included, if you trust it. If its tokens still have the present value in iss, like those of ADFS, name the keys with oauthguard.jwks_uri and leave out oauthguard.metadata_url"),
    "no_metadata": Remedy("oauthguard.metadata_url", "is oauthguard.issuer right? Where it is, name the document with oauthguard.metadata_url, or oauthguard.jwks_uri and introspection.endpoint"),
    "bad_metadata": Remedy("oauthguard.metadata_url", "set oauthguard.metadata_url to another document, if this is not the right one; oauthguard.jwks_uri and introspection.endpoint take the place of what is wrong in this one"),
    "too_large": Remedy("oauthguard.http.max_bytes", "oauthguard.http.max_bytes allows more"),
}  # fmt: skip
_NO_USABLE_KEYS: Final[Mapping[str, Remedy]] = {
    r"private or symmetric": Remedy(None, "the issuer publishes private keys or secrets, with which anyone can make its tokens: who runs the issuer must make new keys and publish their public parts alone"),
    r"malformed": Remedy("oauthguard.jwks_file", "who runs the issuer must publish keys as RFC 7517 and RFC 7518 say; until then, oauthguard.jwks_file can hold them, also as certificates in PEM"),
    r"(?m)usable here$|there are no keys": Remedy("oauthguard.jwks_uri", "the key set is empty: has the issuer made a key, and is oauthguard.jwks_uri right, if it is set?"),
    r"": Remedy("oauthguard.algorithms", "compare oauthguard.algorithms with what the issuer signs with"),
}  # fmt: skip
_PEM: Final = Remedy(
    "oauthguard.jwks_uri",
    "set oauthguard.jwks_uri to the address of a JWK Set: Google has one beside the certificates (for the Identity-Aware Proxy, its name ends in -jwk). Or save what is there in a file, as PEM alone, and name it with oauthguard.jwks_file",
)
_TENANTS: Final = Remedy(
    "oauthguard.issuer_values",
    "these are the metadata of many tenants: set oauthguard.issuer to what they say, with the claim that names the tenant as placeholder, such as {tid} at Entra ID, list the tenants in oauthguard.issuer_values, and name this document with oauthguard.metadata_url",
)
_OTHER_USES: Final = Remedy(
    "oauthguard.key_uses",
    "the issuer's keys have another use than sig: list it in oauthguard.key_uses, if the issuer signs tokens with them",
)
_CREDENTIALS: Final = "If the issuer requires credentials there, as Kubernetes does, set oauthguard.http.bearer_token_file, or oauthguard.http.headers for a gateway. They are sent only to the hosts of addresses in the settings, so name this one, too"
_BY_DETAIL: Final = {
    "unreachable": _UNREACHABLE,
    "introspection_refused": _INTROSPECTION,
    "userinfo_refused": _USERINFO,
    "no_usable_keys": _NO_USABLE_KEYS,
}
_ANSWERED_OTHERWISE: Final = frozenset(
    {"redirected", "not_json", "encoded", "forbidden_url", "bad_jwks", "no_endpoint"}
)


def find_remedy(error: UnavailableError, asked: str = "") -> Remedy:
    """What helps against ``error``.

    :param asked: ``"metadata"``, ``"keys"``, ``"introspection"`` or ``"userinfo"``; empty where only the error tells what was asked for.
    """
    if error.reason == "unreachable" and (found := _find_away(error, asked or _guess(error.detail))):
        return found
    if error.reason == "other_issuer" and re.search(r"describes '[^']*\{", error.detail):
        return _TENANTS
    if error.reason == "no_usable_keys" and names_other_use(error.detail):
        return _OTHER_USES
    if error.reason == "bad_jwks" and " in PEM" in error.detail:
        return _PEM
    for pattern, remedy in _BY_DETAIL.get(error.reason, {}).items():
        if re.search(pattern, error.detail):
            return remedy
    if error.reason in _BY_REASON:
        return _add_credentials(_BY_REASON[error.reason], error)
    if error.reason in _ANSWERED_OTHERWISE:
        return _add_credentials(_name_address(error, asked or _guess(error.detail)), error)
    return Remedy(None, "")


def _add_credentials(remedy: Remedy, error: UnavailableError) -> Remedy:
    """The remedy, and what helps where metadata or keys are not for everybody."""
    if error.reason not in ("no_metadata", "bad_jwks") or not re.search(r"answered 40[13]\b", error.detail):
        return remedy
    return Remedy(remedy.setting, f"{remedy.text}. {_CREDENTIALS}")


def names_other_use(fault: str) -> bool:
    """Whether a key is not used because of a ``use`` that ``oauthguard.key_uses`` may list."""
    return re.search(r"its use is (?!'enc')'", fault) is not None


def _find_away(error: UnavailableError, asked: str) -> Remedy | None:
    """What helps where the host can't be reached, or is another one than its name says."""
    setting = _ADDRESSES[asked]
    if _OTHER_HOST.search(error.detail):
        text = f"the certificate there is for another host, so the address is wrong, or something else answers there. {setting} can name another address; oauthguard.http.ca_file does not help"
        return Remedy(setting, text)
    if "ProxyError" in error.detail:
        return next(remedy for pattern, remedy in _PROXY.items() if re.search(pattern, error.detail))
    for pattern, text in _AWAY.items():
        if re.search(pattern, error.detail):
            proxy = "" if " through the proxy " in error.detail else _PROXY_ONLY
            other = f"If the issuer has another address in this network, name it with {setting}{proxy}"
            return Remedy("oauthguard.http.timeout" if pattern == "Timeout" else setting, f"{text} {other}")
    return None


def _name_address(error: UnavailableError, asked: str) -> Remedy:
    setting = _ADDRESSES[asked]
    if error.reason == "no_endpoint":
        other = " If the issuer has none, check its tokens locally" if asked in ("introspection", "userinfo") else ""
        text = (
            f"set {setting}, or name another document with oauthguard.metadata_url, if the issuer has several.{other}"
        )
        return Remedy(setting, text)
    if error.reason == "redirected":
        return Remedy(setting, f"set {setting} to the address that it redirects to, if you trust it")
    return Remedy(setting, f"set {setting} to the right address, if this is not it")


def _guess(detail: str) -> str:
    if detail.startswith("POST "):
        return "introspection"
    if "/.well-known/" in detail and "names no" not in detail:
        return "metadata"
    return next((name for name in ("introspection", "userinfo") if name.removesuffix("ion") in detail), "keys")
