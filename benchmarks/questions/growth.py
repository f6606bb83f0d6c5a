"""Does a request cost more when there are more tokens, more keys, more scopes?"""

from __future__ import annotations

import itertools
import json
import subprocess
from collections.abc import Callable
from typing import Any

from zope.interface import implementer

from pyramid_oauthguard.errors import InvalidToken
from pyramid_oauthguard.interfaces import IIssuer, KeyDocument
from pyramid_oauthguard.testing import MemoryIssuer, generate_key, mint

from ..harness.environments import build_command, describe
from ..harness.guarded import CLAIMS, build_guarded, build_verifier
from ..harness.issuer import Issuer
from ..harness.measure import Comparison, Options, compare
from ..harness.report import Row, Table
from ..harness.wsgi import prepare

__all__ = ["answer"]

_HOT = 100
_SCOPES = (1, 10, 100, 1_000)
_KEYS = (1, 10, 100, 1_000)


@implementer(IIssuer)
class _FixedIssuer:
    """Publishes these keys, for the tokens of another."""

    def __init__(self, issuer: MemoryIssuer, keys: list[dict[str, Any]]) -> None:
        self.identifier = issuer.identifier
        self.settings = {**issuer.settings, "oauthguard.cache.tokens.size": "2"}
        self._keys = tuple(keys)

    def fetch_keys(self) -> KeyDocument:
        return KeyDocument(self._keys)

    def introspect(self, _raw: str) -> dict[str, Any]:
        return {"active": False}

    def subscribe(self, _listener: Any) -> None: ...


Series = dict[str, list[tuple[float, float]]]


def answer(options: Options) -> Table:
    series: Series = {}
    rows = [*_measure_tokens(options, series), *_measure_keys(options, series), *_measure_scopes(options, series)]
    if options.peers:
        rows += [*_measure_libraries(options), _measure_by_hand(options)]
    return Table("Growth: the larger number / the smallest", rows, series)


def _measure_tokens(options: Options, series: Series) -> list[Row]:
    """A request with one of 100 tokens in use, after so many distinct ones were seen."""
    issuer = MemoryIssuer(algorithm="ES256")
    hot = [issuer.mint(CLAIMS) for _ in range(_HOT)]
    small, large = (build_guarded(issuer.settings, issuer) for _ in range(2))
    base, subject = prepare(small, hot), prepare(large, hot)
    rows, seen = [], 0
    for total in (10**2, 10**3, 10**4, 10**5, *(() if options.quick else (10**6,))):
        for begun in range(seen, total, 1_000):
            crowd = [issuer.mint(CLAIMS) for _ in range(min(1_000, total - begun))]
            run = prepare(large, crowd)
            for _ in crowd:
                run()
            _repeat(subject, _HOT)  # which are in use all the while
        seen = total
        found = compare(subject, base, options)
        _note(series, "a hit, tokens seen", total, found)
        rows.append(Row.of(f"a hit, 100 -> {total:,} tokens seen", found, at_most=1.15))
    return rows[1:]


def _measure_keys(options: Options, series: Series) -> list[Row]:
    """A token new to the verifier, its key among so many; and one whose key is unknown."""
    issuer = MemoryIssuer(algorithm="ES256")
    known = [issuer.mint(CLAIMS) for _ in range(8)]
    stranger = generate_key("ES256", kid="a stranger")
    unknown = [mint({**CLAIMS, "iss": issuer.identifier, "sub": str(number)}, stranger) for number in range(8)]
    keys = [issuer.signing_key.jwk, *(generate_key("ES256", kid=f"key-{number:04}").jwk for number in range(1, 1_000))]
    rows, bases = [], []
    for total in _KEYS:
        published = _FixedIssuer(issuer, keys[:total])
        subjects = {
            "a known kid": _prepare_verify(published, known),
            "an unknown kid refused": _prepare_refusal(published, unknown),
        }
        bases = bases or list(subjects.values())
        for (name, subject), base, reach in zip(subjects.items(), bases, (1.05, 1.2), strict=True):
            found = compare(subject, base, options)
            _note(series, f"{name}, keys published", total, found)
            rows.append(Row.of(f"{name}, 1 -> {total:,} keys", found, at_most=reach))
    return rows[2:]


def _measure_scopes(options: Options, series: Series) -> list[Row]:
    """A warm request, its token with so many scopes."""
    issuer = MemoryIssuer()
    application = build_guarded(issuer.settings, issuer)
    base, rows = None, []
    for total in _SCOPES:
        subject = prepare(application, [issuer.mint({**CLAIMS, "scope": _list_scopes(total)})])
        base = base or subject
        found = compare(subject, base, options)
        _note(series, "a warm request, scopes", total, found)
        rows.append(Row.of(f"a warm request, 1 -> {total:,} scopes", found, at_most=2))
    return rows[1:]


def _measure_libraries(options: Options) -> list[Row]:
    told = {"pairs": options.pairs, "seconds": options.seconds, "keys": _KEYS, "scopes": _SCOPES}
    command = [*build_command("libraries"), "growth", json.dumps(told)]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    versions = describe("libraries")
    return [Row.of(name, Comparison(**each), note=versions) for name, each in found.items()]


def _measure_by_hand(options: Options) -> Row:
    with Issuer() as issuer:
        scopes = [_list_scopes(total) for total in (_SCOPES[0], _SCOPES[-1])]
        told = {
            "issuer": issuer.origin,
            "audience": issuer.settings["oauthguard.audience"],
            "jwks_uri": f"{issuer.origin}/jwks",
            "scopes": [issuer.mint(1, **{**CLAIMS, "scope": scope})[0] for scope in scopes],
            "pairs": options.pairs,
            "seconds": options.seconds,
        }
        command = [*build_command("by_hand"), json.dumps(told)]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    what = f"a warm request, 1 -> {_SCOPES[-1]:,} scopes: by hand, a verdict in dogpile"
    return Row.of(what, Comparison(**found), note=describe("by_hand"))


def _prepare_verify(issuer: _FixedIssuer, tokens: list[str]) -> Callable[[], Any]:
    verify = build_verifier("local", issuer.settings, issuer)
    following = itertools.cycle(tokens).__next__
    return lambda: verify(following())


def _prepare_refusal(issuer: _FixedIssuer, tokens: list[str]) -> Callable[[], Any]:
    run = _prepare_verify(issuer, tokens)

    def refuse() -> None:
        try:
            run()
        except InvalidToken:
            return
        raise AssertionError("an unknown key was let in")

    return refuse


def _list_scopes(total: int) -> str:
    """So many, the one that the ACL asks for at their end."""
    return " ".join([*(f"scope-{number}" for number in range(1, total)), "customer_api"])


def _repeat(operation: Callable[[], Any], count: int) -> None:
    for _ in range(count):
        operation()


def _note(series: Series, name: str, x: float, found: Comparison) -> None:
    series.setdefault(name, []).append((x, round(found.subject, 2)))
