"""Claims of the usual shape are judged without a call, and as the functions for all other shapes judge them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pyramid_oauthguard import AccessToken, InvalidToken
from pyramid_oauthguard.access_token import freeze
from pyramid_oauthguard.guard.settings import GuardSettings, parse_settings
from pyramid_oauthguard.guard.verifiers.access_tokens import CLIENT_CLAIMS, build_access_token
from pyramid_oauthguard.jwt.claims import as_texts, check_texts, read_audience, read_times
from pyramid_oauthguard.jwt.token_kind import check_kind

NOW = 1_800_000_000
ISSUER, AUDIENCE = "https://issuer.test", "https://api.test"
SETTINGS = parse_settings({"oauthguard.issuer": ISSUER, "oauthguard.audience": f"{AUDIENCE} urn:api"})
STRICT = parse_settings({"oauthguard.issuer": ISSUER, "oauthguard.audience": AUDIENCE, "oauthguard.client_id": "app"})
USUAL = {
    "iss": ISSUER, "sub": "ada", "aud": AUDIENCE, "client_id": "app", "exp": NOW + 60, "iat": NOW, "jti": "number-1",
    "scope": "read write",
}  # fmt: skip


def build_plainly(claims: dict[str, Any], settings: GuardSettings, audience_required: bool) -> AccessToken:
    """What `build_access_token` does, by the functions for any shape and the constructor."""
    if claims.get("iss") != settings.issuer:
        raise InvalidToken("wrong_issuer")
    if "cnf" in claims:
        raise InvalidToken("bound_token")
    check_kind(claims)
    expires_at, issued_at = read_times(claims, NOW - settings.leeway, NOW + settings.leeway)
    audience = read_audience(claims)
    if set(audience).isdisjoint(settings.audience) and (audience or audience_required):
        raise InvalidToken("wrong_audience")
    named = [claims[name] for name in CLIENT_CLAIMS if name in claims]
    if named and not isinstance(named[0], str):
        raise InvalidToken("bad_client")
    client_id = named[0] if named else None
    if settings.client_id and client_id not in settings.client_id:
        raise InvalidToken("wrong_client")
    check_texts(claims.get("sub"), claims.get("jti"), claims.get("username"))
    granted = [claims[name] for name in settings.scope_claim if name in claims]
    scopes = as_texts(granted[0], "bad_scope") if granted else ()
    if granted and isinstance(granted[0], str):
        scopes = tuple(each for each in granted[0].split(" ") if each)
    return AccessToken(
        subject=claims.get("sub"), client_id=client_id, scopes=frozenset(scopes), audience=audience, issuer=settings.issuer,
        expires_at=expires_at, issued_at=issued_at, token_id=claims.get("jti"), username=claims.get("username"),
        claims=freeze(claims), mode="local",
    )  # fmt: skip


def find_outcome(build: Any, *given: Any) -> Any:
    try:
        token = build(*given)
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

    def build(claims: dict[str, Any]) -> AccessToken:
        return build_access_token(claims, settings, mode="local", now=NOW, audience_required=required)

    assert find_outcome(build, dict(claims)) == find_outcome(build_plainly, dict(claims), settings, required)


def test_the_usual_shape_is_accepted() -> None:
    assert build_access_token(dict(USUAL), SETTINGS, mode="local", now=NOW) == build_plainly(
        dict(USUAL), SETTINGS, True
    )


@pytest.mark.parametrize("name", sorted(USUAL))
def test_a_claim_of_another_type_is_judged_alike(name: str) -> None:
    for value in (None, True, 1, 1.5, "x", [], ["x"], {}, ()):
        claims = {**USUAL, name: value}
        found = find_outcome(lambda each: build_access_token(each, SETTINGS, mode="local", now=NOW), dict(claims))
        assert found == find_outcome(build_plainly, dict(claims), SETTINGS, True), value
