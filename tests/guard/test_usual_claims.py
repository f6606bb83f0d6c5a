"""Claims of the usual shape are judged without a call, and as the functions for all other shapes judge them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pyramid_oauthguard import InvalidToken
from pyramid_oauthguard.guard.settings import GuardSettings, parse_settings
from pyramid_oauthguard.guard.verifiers.access_tokens import build_access_token
from tests.guard.plain_claims import build_plainly

NOW = 1_800_000_000
ISSUER, AUDIENCE = "https://issuer.test", "https://api.test"
SETTINGS = parse_settings({"oauthguard.issuer": ISSUER, "oauthguard.audience": f"{AUDIENCE} urn:api"})
STRICT = parse_settings({"oauthguard.issuer": ISSUER, "oauthguard.audience": AUDIENCE, "oauthguard.client_id": "app"})
USUAL = {
    "iss": ISSUER, "sub": "ada", "aud": AUDIENCE, "client_id": "app", "exp": NOW + 60, "iat": NOW, "jti": "number-1",
    "scope": "read write",
}  # fmt: skip


def find_outcome(build: Any, claims: dict[str, Any], settings: GuardSettings, **more: Any) -> Any:
    try:
        token = build(claims, settings, mode="local", now=NOW, **more)
    except InvalidToken as error:
        return error.reason
    return token, repr(token.to_dict()), type(token.expires_at), type(token.issued_at)


times = (
    st.sampled_from(
        [
            NOW,
            NOW - 29,
            NOW - 30,
            NOW - 31,
            NOW + 30,
            NOW + 31,
            NOW + 60,
            0,
            -1,
            True,
            False,
            None,
            "60",
            2**53,
            -(2**53),
            2**70,
        ]
    )
    | st.floats()
)
texts = st.sampled_from(["", "ada", AUDIENCE, "urn:api", "app", " ", "read  write", "\ud800", None, 0, True, [], {}])
lists = st.lists(texts, max_size=3)
shapes = {
    "iss": st.sampled_from([ISSUER, ISSUER + "/", None, [ISSUER]]),
    "exp": times, "iat": times, "nbf": times,
    "aud": texts | lists | lists.map(tuple),
    **dict.fromkeys(("client_id", "cid", "azp", "sub", "jti", "username"), texts | lists),
    **dict.fromkeys(("scope", "scp"), texts | lists),
    "typ": st.sampled_from(["Bearer", "ID", None]),
    "cnf": st.none(),
    "deep": st.sampled_from([{"a": [1, {"b": []}]}, [], {}, "x"]),
}  # fmt: skip
odd = st.fixed_dictionaries({}, optional=shapes)


@pytest.mark.slow
@given(
    changed=odd, gone=st.sets(st.sampled_from(sorted(USUAL)), max_size=2),
    settings=st.sampled_from([SETTINGS, STRICT]), required=st.booleans(),
)  # fmt: skip
@example(changed={}, gone=set(), settings=SETTINGS, required=True)
@example(changed={"exp": True}, gone=set(), settings=SETTINGS, required=True)
@example(changed={"aud": [AUDIENCE]}, gone=set(), settings=STRICT, required=True)
@example(changed={"aud": []}, gone=set(), settings=SETTINGS, required=False)
@example(changed={"client_id": None, "azp": "app"}, gone=set(), settings=STRICT, required=True)
@example(changed={"nbf": None}, gone={"iat"}, settings=SETTINGS, required=True)
def test_each_shape_is_judged_alike(
    changed: dict[str, Any], gone: set[str], settings: GuardSettings, required: bool
) -> None:
    claims = {name: value for name, value in {**USUAL, **changed}.items() if name not in gone or name in changed}

    def build_with(build: Any) -> Any:
        return find_outcome(build, dict(claims), settings, audience_required=required)

    assert build_with(build_access_token) == build_with(build_plainly)


def test_the_usual_shape_is_accepted() -> None:
    assert isinstance(find_outcome(build_access_token, dict(USUAL), SETTINGS), tuple)


@pytest.mark.parametrize("name", sorted(USUAL))
def test_a_claim_of_another_type_is_judged_alike(name: str) -> None:
    for value in (None, True, 1, 1.5, "x", [], ["x"], {}, ()):
        claims = {**USUAL, name: value}
        found = find_outcome(build_access_token, dict(claims), SETTINGS)
        assert found == find_outcome(build_plainly, dict(claims), SETTINGS), value
