"""Under which other setting a refused token would pass the check that refused it, and what that setting costs.

Each suggestion was tried: the same check is made with the other setting, of what is known already, without a request to the
issuer. Nothing is suggested that no setting allows: algorithms without a public key, ID tokens, bound tokens.
"""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from ...errors import InvalidToken, UnavailableError
from ...jwt.jws import looks_like_jwt, parse_header, parse_segment_object, split
from ...urls import check_endpoint
from ..settings import GuardSettings
from ..verifiers.access_tokens import HEADER_TYPES, build_access_token, check_profile
from ..verifiers.unverifiable import is_for_issuer, read_unverified
from .candidates import JUDGES_ALL, Candidate, Facts, list_candidates, name_host

__all__ = ["find_host_neighbours", "find_insecure_host", "find_neighbours"]

_HTTP: Final = re.compile(r"not '(http://[^']+)'")


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
            return (_write(settings, JUDGES_ALL, None),)
        judge = functools.partial(_judge_jwt, raw, now=now)
        claims = _read_claims(raw)
        if mode == "remote" and reason == "wrong_audience" and _may_be_judged(settings, claims):
            return (_write(settings, JUDGES_ALL, None), *_try(settings, reason, raw, claims=claims, judge=judge))
    elif answer is not None:
        judge = functools.partial(_judge_answer, answer, now=now)
        claims = answer
    else:
        return ()
    return _try(settings, reason, raw, claims=claims, judge=judge)


def _try(
    settings: GuardSettings, reason: str, raw: str, *, claims: Facts, judge: Callable[[GuardSettings], str | None]
) -> tuple[str, ...]:
    if judge(settings) != reason:
        return ()  # another check refused it, of which nothing is known here
    tried = (
        (each, judge(replace(settings, **each.changes))) for each in list_candidates(settings, reason, claims, raw)
    )
    return tuple(_write(settings, each, after) for each, after in tried if after != reason)


def _may_be_judged(settings: GuardSettings, claims: Facts) -> bool:
    """Whether the issuer's answer could say the audience that a token does not have, such as a lightweight one of Keycloak."""
    return settings.introspection_judges != "all" and "aud" not in claims and claims.get("iss") == settings.issuer


def find_host_neighbours(settings: GuardSettings, error: UnavailableError) -> tuple[str, ...]:
    """Like :func:`find_neighbours`, for an address in the metadata that is not https."""
    host = find_insecure_host(settings, error)
    if host is None:
        return ()
    hosts = settings.http_insecure_hosts | {host}
    line = f"http.insecure_hosts = {' '.join(sorted(hosts))}"
    cost = f"anyone who can change what is sent to {host} can make tokens that are accepted here"
    return (_write(settings, Candidate((line,), cost), None),)


def find_insecure_host(settings: GuardSettings, error: UnavailableError) -> str | None:
    """The host of an address in the metadata that ``http.insecure_hosts`` may list."""
    found = _HTTP.search(error.detail) if error.reason == "bad_metadata" else None
    if found is None:
        return None
    try:
        host = name_host(found[1])
        check_endpoint(found[1], settings.issuer, settings.http_insecure_hosts | {host}, settings.metadata_url or "")
    except ValueError:  # no setting allows it: the issuer itself is asked with TLS
        return None
    return host


def _write(settings: GuardSettings, candidate: Candidate, after: str | None) -> str:
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
