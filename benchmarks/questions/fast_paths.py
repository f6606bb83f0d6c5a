"""What does each hand-made optimization save? The plain way stands here and in the tests, never in the package."""

from __future__ import annotations

import base64
import functools
import itertools
import time
from collections.abc import Callable
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from joserfc.jws import JWSRegistry
from joserfc.util import urlsafe_b64decode

from pyramid_oauthguard import InvalidToken, strict_json
from pyramid_oauthguard.guard.state import get_guard
from pyramid_oauthguard.guard.verifiers import access_tokens, local
from pyramid_oauthguard.jwt import jws, keyset
from pyramid_oauthguard.testing import MemoryIssuer
from tests.guard.plain_claims import build_plainly

from ..harness.guarded import CLAIMS, build_guarded, build_verifier
from ..harness.measure import Options, summarize
from ..harness.report import Row, Table
from ..harness.wsgi import prepare

__all__ = ["answer"]

#: How many checks are one operation, so that a substitution takes no time. All are tokens not seen before.
_CHECKS: Final = 64
#: An optimization stays from these ratios on.
_OF_A_CHECK, _OF_A_REQUEST = 1.10, 1.05

#: Short samples for each pair of the options.
_PAIRS: Final = 10

Operation = Callable[[], None]
Swap = tuple[Any, str, Any]


def answer(options: Options) -> Table:
    check = _prepare_check("RS256")
    swaps: dict[str, list[Swap]] = {
        "base64url / the standard library": _swap_decoder(_decode_with_base64),
        "base64url / joserfc": _swap_decoder(urlsafe_b64decode),
        "claims of the usual shape / any shape": [(local, "build_access_token", build_plainly)],
        "scope strings, split once / each time": [
            (access_tokens, "_split_scopes", access_tokens._split_scopes.__wrapped__)
        ],
        "depth of JSON / counted each time": [(jws, "parse_object", _parse_counting)],
        "JSON without a look for white space / with": [(strict_json, "_scan", _scan_with_white_space)],
    }
    rows = [_compare(what, _substitute(check, swap), check, options, _OF_A_CHECK) for what, swap in swaps.items()]
    for algorithm in ("ES256", "RS256"):
        plain = _prepare_check(algorithm, (keyset, "bind", _bind_plainly))
        what = f"{algorithm} signature, prepared / joserfc"
        rows.append(_compare(what, plain, _prepare_check(algorithm), options, _OF_A_CHECK))
    for mode in ("local", "remote"):
        plain, ours = _prepare_request(mode, recalls=False), _prepare_request(mode, recalls=True)
        rows.append(_compare(f"{mode} request, recalled / verified from the memo", plain, ours, options, _OF_A_REQUEST))
    return Table(
        "Hand-made optimizations: a check of a new token, or a request, without it / with it; by the lowest tenth of the samples",
        rows,
    )


def _compare(what: str, plain: Operation, ours: Operation, options: Options, limit: float) -> Row:
    """By the lowest tenth of many short samples, which other programs disturb least."""
    pairs = [(_time(plain), _time(ours)) for _ in range(_PAIRS * options.pairs)]
    low, low_ours = (sorted(each)[len(each) // 10] for each in zip(*pairs, strict=True))
    found = summarize(*map(list, zip(*pairs, strict=True)))
    note = f"{low:.1f} / {low_ours:.1f} µs"
    spread = (round(found.low, 3), round(found.high, 3))
    return Row(what, round(low / low_ours, 3), at_least=limit, spread=spread, note=note)


def _time(operation: Operation) -> float:
    """µs of this thread's CPU for one check."""
    begun = time.thread_time_ns()
    operation()
    return (time.thread_time_ns() - begun) / _CHECKS / 1e3


def _repeat(operation: Operation) -> Operation:
    def run() -> None:
        for _ in range(_CHECKS):
            operation()

    return run


def _substitute(operation: Operation, swaps: list[Swap]) -> Operation:
    def run() -> None:
        before = [(owner, name, getattr(owner, name)) for owner, name, _value in swaps]
        _set(swaps)
        operation()
        _set(before)

    return run


def _set(swaps: list[Swap]) -> None:
    for owner, name, value in swaps:
        setattr(owner, name, value)


def _prepare_check(algorithm: str, *swaps: Swap) -> Operation:
    """Local checks, with what was swapped while the keys were read."""
    issuer = MemoryIssuer(algorithm=algorithm)
    tokens = [issuer.mint(CLAIMS) for _ in range(_CHECKS)]
    verify = build_verifier("local", {**issuer.settings, "oauthguard.cache.tokens.size": "2"}, issuer)
    _substitute(lambda: verify(tokens[0]), list(swaps))()
    following = itertools.cycle([token.encode() for token in tokens]).__next__
    return _repeat(lambda: verify(following().decode("latin-1")))


def _prepare_request(mode: str, *, recalls: bool) -> Operation:
    """Requests with one token that is remembered."""
    issuer = MemoryIssuer()
    settings = {**issuer.settings, "oauthguard.cache.introspection.expiration_time": "100000"}
    application: Any = build_guarded(settings, issuer, token_check=mode, permission="read")
    run = prepare(application, [issuer.mint(CLAIMS)])
    run()
    if not recalls:
        get_guard(application.registry).authenticator._recalls.clear()
    return _repeat(run)


def _swap_decoder(decode: Callable[[bytes], bytes]) -> list[Swap]:
    def parse(segment: bytes) -> bytes:
        try:
            return decode(segment)
        except ValueError:
            raise InvalidToken("bad_encoding") from None

    return [(module, "parse_segment", parse) for module in (jws, local)]


def _decode_with_base64(segment: bytes) -> bytes:
    data = base64.urlsafe_b64decode(segment + b"=" * (-len(segment) % 4))
    if base64.urlsafe_b64encode(data).rstrip(b"=") != segment:
        raise ValueError("another spelling of the same bytes")
    return data


def _parse_counting(data: bytes, parse: Callable[[bytes], Any] = strict_json.parse_object) -> Any:
    strict_json.check_text_depth(data.decode())
    return parse(data)


def _scan_with_white_space(text: str, _at: int) -> tuple[Any, int]:
    return strict_json._DECODER.decode(text), len(text)


def _bind_plainly(algorithm: str, key: Any) -> Callable[[bytes, bytes], None]:
    return functools.partial(_verify_with_joserfc, JWSRegistry.algorithms[algorithm], key)


def _verify_with_joserfc(model: Any, key: Any, signature: bytes, message: bytes) -> None:
    if not model.verify(message, signature, key):
        raise InvalidSignature
