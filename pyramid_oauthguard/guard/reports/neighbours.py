"""Under which other setting a refused token would pass the check that refused it, and what that setting costs.

Each suggestion was tried: the same check is made with the other setting, of what is known already, without a request to the
issuer. Nothing is suggested that no setting allows: algorithms without a public key, ID tokens, bound tokens.
"""

from __future__ import annotations

import functools
import math
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ...errors import InvalidToken, UnavailableError
from ...jwt.algorithms import ALGORITHMS
from ...jwt.jws import looks_like_jwt, parse_header, parse_segment_object, split
from ...urls import as_insecure_host, as_origin, check_endpoint, check_url
from ..settings import CLIENT_CLAIMS, GuardSettings
from ..verifiers.access_tokens import HEADER_TYPES, build_access_token, check_profile
from ..verifiers.unverifiable import is_for_issuer, read_unverified

__all__ = ["find_host_neighbours", "find_neighbours"]

#: A larger difference is not one of clocks.
_MOST_LEEWAY_SECONDS: Final = 300
_SCOPE_CLAIMS: Final = ("scope", "scp", "scopes", "permissions")
_HTTP: Final = re.compile(r"not '(http://[^']+)'")

Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Candidate:
    """Other settings.

    :ivar lines: as they are written in an ini file, without the prefix.
    :ivar cost: what they cost, as the end of a sentence.
    :ivar changes: the fields of the settings that they change.
    """

    lines: tuple[str, ...]
    cost: str
    changes: Facts = field(default_factory=dict)


def find_neighbours(
    settings: GuardSettings, reason: str, raw: str, *, mode: str, answer: Facts | None
) -> tuple[str, ...]:
    """A sentence for each other setting under which the check that refused ``raw`` for ``reason`` lets it pass.

    :param answer: what the issuer's introspection answered about it, where it was asked.
    """
    now = time.time()
    judge: Callable[[GuardSettings], str | None]
    claims: Facts
    if looks_like_jwt(raw):
        if mode == "remote" and _is_for_issuer(settings, reason, raw, now):
            line = "introspection.judges = all"
            cost = "the issuer alone decides about such tokens, and one that does not check signatures vouches for forged ones"
            return (_write(settings, _Candidate((line,), cost), None),)
        judge = functools.partial(_judge_jwt, raw, now=now)
        claims = _read_claims(raw)
    elif answer is not None:
        judge = functools.partial(_judge_answer, answer, now=now)
        claims = answer
    else:
        return ()
    if judge(settings) != reason:
        return ()  # another check refused it, of which nothing is known here
    tried = (
        (each, judge(replace(settings, **each.changes))) for each in _list_candidates(settings, reason, claims, raw)
    )
    return tuple(_write(settings, each, after) for each, after in tried if after != reason)


def find_host_neighbours(settings: GuardSettings, error: UnavailableError) -> tuple[str, ...]:
    """As :func:`find_neighbours`, for an address in the metadata that is not https."""
    found = _HTTP.search(error.detail) if error.reason == "bad_metadata" else None
    if found is None:
        return ()
    try:
        host = _name_host(found[1])
        hosts = settings.http_insecure_hosts | {host}
        check_endpoint(found[1], settings.issuer, hosts, settings.metadata_url or "")
    except ValueError:  # no setting allows it: the issuer itself is asked with TLS
        return ()
    line = f"http.insecure_hosts = {' '.join(sorted(hosts))}"
    cost = f"who can change what is sent to {host} can make tokens that are accepted here"
    return (_write(settings, _Candidate((line,), cost), None),)


def _write(settings: GuardSettings, candidate: _Candidate, after: str | None) -> str:
    lines = " and ".join(settings.name_keys(f"oauthguard.{line}") for line in candidate.lines)
    then = f", and would then be refused for {after}" if after is not None else ""
    return f"with {lines} this token would pass this step{then}; it costs: {candidate.cost}"


def _is_for_issuer(settings: GuardSettings, reason: str, raw: str, now: float) -> bool:
    if settings.introspection_judges == "all" or not is_for_issuer(InvalidToken(reason), raw):
        return False
    try:
        read_unverified(raw, settings, now=now)
    except InvalidToken:
        return False
    return True


def _judge_jwt(raw: str, settings: GuardSettings, *, now: float) -> str | None:
    """The first reason by which a JWT is refused, without its signature."""
    try:
        head, body, _tail, _signed = split(raw)
        parse_header(head, frozenset(settings.algorithms), HEADER_TYPES[settings.profile])
        claims = parse_segment_object(body)
        if settings.profile == "rfc9068":
            check_profile(claims)
        build_access_token(claims, settings, mode="local", now=now)
    except InvalidToken as error:
        return error.reason
    return None


def _judge_answer(answer: Facts, settings: GuardSettings, *, now: float) -> str | None:
    said = {name: value for name, value in answer.items() if value is not None}
    if said.get("active") is not True:
        return "inactive"
    required = settings.introspection_require_audience
    claims = {"iss": settings.issuer, **said}
    try:
        build_access_token(claims, settings, mode="remote", now=now, audience_required=required, is_answer=True)
    except InvalidToken as error:
        return error.reason
    return None


def _read_claims(raw: str) -> dict[str, Any]:
    try:
        return parse_segment_object(split(raw)[1])
    except InvalidToken:
        return {}


def _list_candidates(settings: GuardSettings, reason: str, claims: Facts, raw: str) -> Iterator[_Candidate]:
    for find in _BY_REASON.get(reason, ()):
        yield from find(settings, claims, raw)


def _find_algorithm(settings: GuardSettings, _claims: Facts, raw: str) -> Iterator[_Candidate]:
    try:
        algorithm = parse_segment_object(split(raw)[0]).get("alg")
    except InvalidToken:
        return
    if algorithm in ALGORITHMS:  # none and HS* are not
        algorithms = (*settings.algorithms, algorithm)
        cost = "none, if the issuer signs so"
        yield _Candidate((f"algorithms = {' '.join(algorithms)}",), cost, {"algorithms": algorithms})


def _find_profile(_settings: GuardSettings, _claims: Facts, _raw: str) -> Iterator[_Candidate]:
    cost = "tokens of other kinds are told from access tokens by their claims only"
    yield _Candidate(("profile = generic",), cost, {"profile": "generic"})


def _find_issuer(settings: GuardSettings, claims: Facts, _raw: str) -> Iterator[_Candidate]:
    name = claims.get("iss")
    if not isinstance(name, str) or not name.isprintable() or settings.template is not None:
        return
    if name.rstrip("/") == settings.issuer.rstrip("/"):
        cost = "none, if the issuer's metadata have this name"
        yield _Candidate((f"issuer = {name}",), cost, {"issuer": name})
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
            host = _name_host(name)
        except ValueError:  # not a URL, and nothing says where its keys are
            return
        lines.append(f"issuers.other.http.insecure_hosts = {host}")
        cost += f". Who can change what is sent to {host} can make tokens that are accepted here"
    yield _Candidate(tuple(lines), cost, {"issuer": name})


def _find_leeway(settings: GuardSettings, claims: Facts, _raw: str) -> Iterator[_Candidate]:
    now = time.time()
    times = {name: value for name in ("exp", "nbf", "iat") if isinstance(value := claims.get(name), int | float)}
    needed = max((now - value if name == "exp" else value - now for name, value in times.items()), default=0.0)
    if settings.leeway < needed <= _MOST_LEEWAY_SECONDS:
        leeway = math.ceil(needed / 10 + 1) * 10
        cost = f"an expired token is accepted for {leeway} s; to set the clocks costs nothing"
        yield _Candidate((f"leeway = {leeway}",), cost, {"leeway": float(leeway)})


def _find_issued_at(_settings: GuardSettings, _claims: Facts, _raw: str) -> Iterator[_Candidate]:
    cost = "a token that says that it was issued tomorrow is accepted today"
    yield _Candidate(("check_issued_at = false",), cost, {"check_issued_at": False})


def _find_audience(settings: GuardSettings, claims: Facts, raw: str) -> Iterator[_Candidate]:
    if not looks_like_jwt(raw):
        cost = "a token for any other API of the issuer is accepted"
        line = "introspection.require_audience = false"
        yield _Candidate((line,), cost, {"introspection_require_audience": False})
        return
    client = claims.get("client_id")
    if "aud" in claims or not isinstance(client, str) or not client or not client.isprintable() or " " in client:
        return
    lines: tuple[str, ...] = ("audience_by_client = true",)
    clients = settings.client_id
    if not clients:
        lines, clients = (*lines, f"client_id = {client}"), (client,)
    cost = "every token of a listed client is accepted, for whichever API the client asked for it"
    yield _Candidate(lines, cost, {"audience_by_client": True, "client_id": clients})


def _find_expiry(_settings: GuardSettings, _claims: Facts, _raw: str) -> Iterator[_Candidate]:
    cost = "a stolen token that does not expire is valid until somebody revokes it"
    yield _Candidate(("introspection.require_expiry = false",), cost, {"introspection_require_expiry": False})


def _find_client(settings: GuardSettings, claims: Facts, _raw: str) -> Iterator[_Candidate]:
    for name in CLIENT_CLAIMS:
        if isinstance(claims.get(name), str) and settings.client_id_claim[:1] != (name,):
            cost = "this claim alone says which client a token is of; users must not be able to change it"
            yield _Candidate((f"client_id_claim = {name}",), cost, {"client_id_claim": (name,)})


def _find_scopes(settings: GuardSettings, claims: Facts, _raw: str) -> Iterator[_Candidate]:
    for name in _SCOPE_CLAIMS:
        if name in claims and settings.scope_claim[:1] != (name,):
            cost = "what this claim has are the scopes; users must not be able to change it"
            yield _Candidate((f"scope_claim = {name}",), cost, {"scope_claim": (name,)})


def _name_host(url: str) -> str:
    """:raises ValueError: it is not an http URL."""
    origin = as_origin(url)
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    return as_insecure_host(f"{host}:{origin.port}" if origin.port != 80 else host)  # the default port of http


_BY_REASON: Final[Mapping[str, tuple[Callable[[GuardSettings, Facts, str], Iterator[_Candidate]], ...]]] = {
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
