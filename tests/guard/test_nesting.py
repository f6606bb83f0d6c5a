"""JSON that is nested deeply: 401 in a token, 503 in an answer of the issuer, whatever the stack of the caller leaves."""

from __future__ import annotations

import json
import sys
import unittest.mock
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyramid_oauthguard import InvalidToken, UnavailableError, strict_json
from pyramid_oauthguard.server.clients.keys import as_key_set
from pyramid_oauthguard.server.grant_types import RegistrationError
from pyramid_oauthguard.strict_json import MAX_DEPTH, check_depth, check_text_depth, parse_object
from pyramid_oauthguard.testing import MemoryIssuer, bearer
from tests.guard.guarding import add, build_app, find_status
from tests.guard.verifying import build_verifier, find_reason
from tests.issuers import FAULTS, HTTPIssuer
from tests.steady.apps import Api

DEPTHS = [MAX_DEPTH + 1, 200, 330, 450, 900, 20_000]
SHAPES = {"lists": lambda inner: [inner], "objects": lambda inner: {"a": inner}, "both": lambda inner: {"a": [inner]}}


def nest(depth: int, shape: str = "lists") -> Any:
    """So many containers inside each other."""
    value: Any = 0
    for _level in range(depth // 2 if shape == "both" else depth):
        value = SHAPES[shape](value)
    return value


def write(depth: int, shape: str = "lists") -> str:
    begin, end = {"lists": ("[", "]"), "objects": ('{"a":', "}"), "both": ('{"a":[', "]}")}[shape]
    levels = depth // 2 if shape == "both" else depth
    return begin * levels + "0" + end * levels


def on_a_full_stack(call: Callable[[], Any], left: int) -> Any:
    """What `call` returns or raises where only so many frames are left, as in a large application."""
    frame, used = sys._getframe(), 0
    while frame is not None:
        frame, used = frame.f_back, used + 1
    below = sys.getrecursionlimit() - used - left - 2

    def descend(frames: int) -> Any:
        return call() if frames <= 0 else descend(frames - 1)

    return descend(below)


@pytest.fixture
def issuer():
    return MemoryIssuer(algorithm="ES256")


# ── the bound ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.promise("GD-11")
@pytest.mark.parametrize("shape", SHAPES)
def test_the_bound_is_the_same_on_every_python(shape):
    outer = "{" + f'"a":{write(MAX_DEPTH - 2, shape)}' + "}"
    assert parse_object(outer.encode())
    for depth in DEPTHS:
        with pytest.raises(ValueError, match="nested too deeply"):
            parse_object(("{" + f'"a":{write(depth, shape)}' + "}").encode())


def test_many_containers_side_by_side_are_not_deep():
    wide = {"a": [{"b": [1, {}]}] * 10_000}
    assert parse_object(json.dumps(wide).encode()) == wide


@pytest.mark.parametrize("value", [0, "text", None, [], {}, (), nest(MAX_DEPTH), {"a": nest(MAX_DEPTH - 1)}])
def test_what_is_not_too_deep(value):
    check_depth(value)


@pytest.mark.parametrize("value", [nest(MAX_DEPTH + 1), {"a": nest(MAX_DEPTH)}, ({"a": nest(MAX_DEPTH - 1)},)])
def test_what_is_too_deep(value):
    with pytest.raises(ValueError, match="nested too deeply"):
        check_depth(value)


@pytest.mark.promise("GD-11")
@pytest.mark.parametrize("text", ["[" * 500, '{"a":' * 500, '"\\""' + "[" * 500, '"' + "\\\\" + '"' + "[" * 500])
def test_the_depth_is_bounded_before_the_text_is_parsed(text, monkeypatch):
    """A parser in C that goes down as deep as the text needs a stack that a thread may not have."""
    monkeypatch.setattr("pyramid_oauthguard.strict_json._scan", lambda *_: pytest.fail("it was parsed"))
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_object(text.encode())


@pytest.mark.parametrize("text", ["[" * 500, "{" * 500, '\\"' + "[" * 500, "]" * 500 + "}" * 500])
def test_brackets_in_a_string_are_not_depth(text):
    value = {"a": text, text: [1], "b": [[text]] * 200}
    assert parse_object(json.dumps(value).encode()) == value


json_values = st.recursive(
    st.none() | st.text(st.sampled_from('[]{}"\\,:a \u00e9')), lambda inner: st.lists(inner) | st.dictionaries(st.text(st.sampled_from('[]{}"\\')), inner)
)  # fmt: skip


@pytest.mark.slow
@given(json_values, st.booleans(), st.sampled_from([None, 1]))
def test_the_depth_of_the_text_is_that_of_the_value(value, ascii_only, indent):
    depth = 0
    while True:
        try:
            with unittest.mock.patch.object(strict_json, "MAX_DEPTH", depth):
                strict_json.check_depth(value)
            break
        except ValueError:
            depth += 1
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    with unittest.mock.patch.object(strict_json, "MAX_DEPTH", depth):
        check_text_depth(text)
    if depth:
        with unittest.mock.patch.object(strict_json, "MAX_DEPTH", depth - 1), pytest.raises(ValueError, match="nested"):
            check_text_depth(text)


# ── tokens ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.promise("GD-11")
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("depth", [200, 450, 900])
@pytest.mark.parametrize("mode", ["local", "remote"])
def test_nested_claims_of_the_issuer_itself_are_refused(issuer, mode, depth, shape):
    verifier = build_verifier(issuer, mode)
    assert find_reason(verifier, issuer.mint(deep=nest(depth, shape))) == "bad_json"


@pytest.mark.promise("GD-11", "GD-14")
@pytest.mark.parametrize("depth", [200, 330, 450, 900])
def test_a_request_with_nested_claims_gets_401_each_time(issuer, depth):
    app = build_app(lambda config: [add(config, f"/{mode}", token_check=mode) for mode in ("local", "remote")], issuer)
    raw = issuer.mint(deep=nest(depth))
    for _again in range(3):
        assert find_status(app, "/local", raw) == find_status(app, "/remote", raw) == 401


@pytest.mark.promise("GD-11")
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("mode", ["local", "remote"])
def test_a_verifier_and_its_memory_raise_no_recursion_error_on_a_full_stack(issuer, mode, shape):
    verifier = build_verifier(issuer, mode, cache__introspection__expiration_time="60")
    raw = issuer.mint(deep=nest(MAX_DEPTH - 2, shape))
    assert verifier.verify(raw)
    header = bearer(raw)["Authorization"]
    for left in range(60, 200, 20):
        recalled = on_a_full_stack(lambda: verifier.recall(header), left)
        assert recalled is None or recalled.claims["deep"]
    fresh = build_verifier(issuer, mode)
    fresh_raw = issuer.mint(deep=nest(MAX_DEPTH - 2, shape))
    for left in range(100, 200, 20):
        with suppress(
            InvalidToken, UnavailableError
        ):  # no RecursionError; the second where the issuer had no frames left
            assert on_a_full_stack(lambda: fresh.verify(fresh_raw), left)


@pytest.mark.promise("GD-11")
def test_the_deepest_claims_that_are_accepted_are_remembered(issuer):
    verifier = build_verifier(issuer)
    raw = issuer.mint(deep=nest(MAX_DEPTH - 1, "objects"))
    first, second, third = (verifier.verify(raw) for _ in range(3))
    assert first == second == third
    assert verifier.recall(bearer(raw)["Authorization"]) is third


# ── answers of the issuer ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.promise("GD-20", "GD-44")
@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("endpoint", ["metadata", "keys", "introspection"])
def test_a_nested_answer_of_the_issuer_is_an_outage(endpoint, depth, monkeypatch):
    def answer_deeply(handler, status, value):
        handler.reply_bytes(status, (json.dumps(value)[:-1] + f',"deep":{write(depth)}}}').encode())

    monkeypatch.setitem(FAULTS, "nested", answer_deeply)
    with HTTPIssuer(algorithm="ES256") as server:
        server.fail("nested", endpoint)
        api = Api(server.settings)
        assert {api.ask("remote", server.issuer.mint()) for _again in range(3)} == {503}


@pytest.mark.slow
@pytest.mark.promise("GD-20")
@pytest.mark.parametrize("depth", DEPTHS)
def test_a_nested_answer_of_an_issuer_in_this_process_is_an_outage(issuer, depth):
    verifier = build_verifier(issuer, "remote")
    raw = issuer.mint_opaque(deep=nest(depth))
    for _again in range(2):
        with pytest.raises(UnavailableError) as caught:
            verifier.verify(raw)
        assert caught.value.reason == "introspection_failed"


@pytest.mark.promise("GD-20")
@pytest.mark.parametrize("said", [None, "active", ["active"], RecursionError(), ValueError("odd")])
def test_an_issuer_in_this_process_that_answers_nonsense_is_an_outage(issuer, said, monkeypatch):
    def introspect(raw):
        if isinstance(said, Exception):
            raise said
        return said

    verifier = build_verifier(issuer, "remote")
    raw = issuer.mint_opaque()
    monkeypatch.setattr(issuer, "introspect", introspect)
    with pytest.raises(UnavailableError) as caught:
        verifier.verify(raw)
    assert caught.value.reason == "introspection_failed"


@pytest.mark.promise("GD-20")
@pytest.mark.parametrize("depth", [200, 450, 20_000])
def test_a_nested_key_of_an_issuer_in_this_process_is_an_outage(issuer, depth):
    issuer.publish({"kty": "RSA", "kid": "deep", "x": nest(depth)})
    with pytest.raises(UnavailableError):
        build_verifier(issuer).verify(issuer.mint())


# ── keys of clients ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("depth", [MAX_DEPTH, 450, 20_000])
@pytest.mark.parametrize("as_text", [True, False])
def test_a_nested_key_of_a_client_is_refused_by_name(issuer, depth, as_text):
    if as_text:
        jwks: Any = f'{{"keys":[{json.dumps(issuer.signing_key.jwk)[:-1]},"x":{write(depth)}}}]}}'
    else:
        jwks = {"keys": [{**issuer.signing_key.jwk, "x": nest(depth)}]}
    with pytest.raises(RegistrationError, match="jwks"):
        as_key_set(jwks)
