"""Other settings that could be tried for a token that was refused, and what each costs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

from ...errors import InvalidToken
from ...jwt.algorithms import ALGORITHMS
from ...jwt.claims import is_time
from ...jwt.jws import looks_like_jwt, parse_segment_object, split
from ...urls import as_insecure_host, as_origin, check_url
from ..settings import CLIENT_CLAIMS, GuardSettings

__all__ = ["JUDGES_ALL", "SCOPE_CLAIMS", "Candidate", "Facts", "list_candidates", "name_host"]

#: A larger difference is not one of clocks.
_MOST_LEEWAY_SECONDS: Final = 300
#: Claims in which issuers write what a token allows.
SCOPE_CLAIMS: Final = ("scope", "scp", "scopes", "permissions")

Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Candidate:
    """Other settings.

    :ivar lines: as they are written in an ini file, without the prefix.
    :ivar cost: what they cost, as the end of a sentence.
    :ivar changes: the fields of the settings that they change.
    """

    lines: tuple[str, ...]
    cost: str
    changes: Facts = field(default_factory=dict)


JUDGES_ALL: Final = Candidate(
    ("introspection.judges = all",),
    "the issuer alone decides about such tokens, and one that does not check signatures vouches for forged ones",
)


def list_candidates(settings: GuardSettings, reason: str, claims: Facts, raw: str) -> Iterator[Candidate]:
    """What could be tried for a token that was refused for ``reason``. NOT checked: whether it helps."""
    for find in _BY_REASON.get(reason, ()):
        yield from find(settings, claims, raw)


def _find_algorithm(settings: GuardSettings, _claims: Facts, raw: str) -> Iterator[Candidate]:
    try:
        algorithm = parse_segment_object(split(raw)[0]).get("alg")
    except InvalidToken:
        return
    if algorithm in ALGORITHMS:  # none and HS* are not
        algorithms = (*settings.algorithms, algorithm)
        cost = "none, if the issuer signs so"
        yield Candidate((f"algorithms = {' '.join(algorithms)}",), cost, {"algorithms": algorithms})


def _find_profile(_settings: GuardSettings, _claims: Facts, _raw: str) -> Iterator[Candidate]:
    cost = "tokens of other kinds are told from access tokens by their claims only"
    yield Candidate(("profile = generic",), cost, {"profile": "generic"})


def _find_issuer(settings: GuardSettings, claims: Facts, _raw: str) -> Iterator[Candidate]:
    name = claims.get("iss")
    if not isinstance(name, str) or not name.isprintable():
        return
    tenant = _find_tenant(settings, name)
    if tenant is not None or settings.template is not None:
        yield from filter(None, [tenant])
        return
    if name.rstrip("/") == settings.issuer.rstrip("/"):
        cost = "none, if the issuer's metadata have this name"
        yield Candidate((f"issuer = {name}",), cost, {"issuer": name})
        return
    if _is_name_of(settings.issuer, name):
        cost = (
            "none, if the issuer's metadata say that its access tokens have this name, as access_token_issuer of ADFS"
        )
        yield Candidate((f"issuer = {name}", "jwks_uri = (that of the issuer's metadata)"), cost, {"issuer": name})
        return
    lines = [
        f"issuers = {' '.join((*settings.issuers, 'other'))}",
        f"issuers.other.issuer = {name}",
        "issuers.other.scopes = (the scopes to trust)",
    ]
    cost = "every token that this issuer makes for your audience is accepted. Its principals begin with its name"
    try:
        check_url(name)
    except ValueError:
        try:
            host = name_host(name)
        except ValueError:  # not a URL, and nothing says where its keys are
            return
        lines.append(f"issuers.other.http.insecure_hosts = {host}")
        cost += f". Anyone who can change what is sent to {host} can make tokens that are accepted here"
    yield Candidate(tuple(lines), cost, {"issuer": name})


def _is_name_of(issuer: str, name: str) -> bool:
    """Whether ``name`` is at the same host and is not an address that is fetched: an issuer there has TLS."""
    try:
        own, other = as_origin(issuer), as_origin(name)
    except ValueError:
        return False
    return own.host == other.host and (own.scheme, other.scheme) == ("https", "http")


def _find_tenant(settings: GuardSettings, name: str) -> Candidate | None:
    """A tenant that the list of a template does not have."""
    for each in settings.list_issuers():
        template = each.template
        value = None if template is None else replace(template, values=None).find_value(name)
        if template is None or template.values is None or value is None or value in template.values:
            continue
        start = "" if each.issuer_name is None else f"issuers.{each.issuer_name}."
        line = f"{start}issuer_values = {' '.join(sorted({*template.values, value}))}"
        cost = "every token that this tenant gets for your audience is accepted"
        tenant = each.fill(value)
        return Candidate((line,), cost, {each.name: getattr(tenant, each.name) for each in fields(tenant)})
    return None


def _find_leeway(settings: GuardSettings, claims: Facts, _raw: str) -> Iterator[Candidate]:
    now = time.time()
    times = {name: value for name in ("exp", "nbf", "iat") if is_time(value := claims.get(name))}
    needed = max((now - value if name == "exp" else value - now for name, value in times.items()), default=0.0)
    if settings.leeway < needed <= _MOST_LEEWAY_SECONDS:
        leeway = math.ceil(needed / 10 + 1) * 10
        cost = f"an expired token is accepted for {leeway} s; to set the clocks costs nothing"
        yield Candidate((f"leeway = {leeway}",), cost, {"leeway": float(leeway)})


def _find_issued_at(_settings: GuardSettings, _claims: Facts, _raw: str) -> Iterator[Candidate]:
    cost = "a token that says that it was issued tomorrow is accepted today"
    yield Candidate(("check_issued_at = false",), cost, {"check_issued_at": False})


def _find_audience(settings: GuardSettings, claims: Facts, raw: str) -> Iterator[Candidate]:
    if not looks_like_jwt(raw):
        cost = "a token for any other API of the issuer is accepted"
        line = "introspection.require_audience = false"
        yield Candidate((line,), cost, {"introspection_require_audience": False})
        return
    client = claims.get("client_id")
    if "aud" in claims or not isinstance(client, str) or not client or not client.isprintable() or " " in client:
        return
    lines: tuple[str, ...] = ("audience_by_client = true",)
    clients = settings.client_id
    if not clients:
        lines, clients = (*lines, f"client_id = {client}"), (client,)
    cost = "every token of a listed client is accepted, for whichever API the client asked for it"
    yield Candidate(lines, cost, {"audience_by_client": True, "client_id": clients})


def _find_expiry(_settings: GuardSettings, _claims: Facts, _raw: str) -> Iterator[Candidate]:
    cost = "a stolen token that does not expire is valid until somebody revokes it"
    yield Candidate(("introspection.require_expiry = false",), cost, {"introspection_require_expiry": False})


def _find_client(settings: GuardSettings, claims: Facts, _raw: str) -> Iterator[Candidate]:
    for name in CLIENT_CLAIMS:
        if isinstance(claims.get(name), str) and settings.client_id_claim[:1] != (name,):
            cost = "this claim alone says which client a token is of; users must not be able to change it"
            yield Candidate((f"client_id_claim = {name}",), cost, {"client_id_claim": (name,)})


def _find_scopes(settings: GuardSettings, claims: Facts, _raw: str) -> Iterator[Candidate]:
    for name in SCOPE_CLAIMS:
        if name in claims and settings.scope_claim[:1] != (name,):
            cost = "what this claim has are the scopes; users must not be able to change it"
            yield Candidate((f"scope_claim = {name}",), cost, {"scope_claim": (name,)})


def name_host(url: str) -> str:
    """:raises ValueError: it is not an http URL."""
    origin = as_origin(url)
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    return as_insecure_host(f"{host}:{origin.port}" if origin.port != 80 else host)  # the default port of http


_BY_REASON: Final[Mapping[str, tuple[Callable[[GuardSettings, Facts, str], Iterator[Candidate]], ...]]] = {
    "bad_algorithm": (_find_algorithm,),
    "wrong_type": (_find_profile,),
    "missing_claim": (_find_profile,),
    "wrong_issuer": (_find_issuer,),
    "expired": (_find_leeway,),
    "not_yet_valid": (_find_leeway,),
    "issued_in_future": (_find_leeway, _find_issued_at),
    "bad_time": (_find_issued_at,),
    "milliseconds": (_find_issued_at,),
    "missing_exp": (_find_expiry,),
    "wrong_audience": (_find_audience,),
    "wrong_client": (_find_client,),
    "bad_client": (_find_client,),
    "bad_scope": (_find_scopes,),
}
