"""Claims: who issued it, for whom, from when to when, with which scopes; and what no token can become."""

from __future__ import annotations

import json
import math
import time

import pytest
import time_machine
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pyramid.authorization import Authenticated, Everyone
from pyramid.config import Configurator
from pyramid.interfaces import ISecurityPolicy
from webtest import TestApp

from pyramid_oauthguard import InvalidToken
from pyramid_oauthguard.guard import OAuthSecurityPolicy
from pyramid_oauthguard.testing import ABSENT, MemoryIssuer, read_claims, trust
from pyramid_oauthguard.testing.tokens import sign
from tests.guard.verifying import build_verifier, find_reason

NOW = 1_800_000_000
LEEWAY = 30


@pytest.fixture
def issuer():
    return MemoryIssuer(algorithm="Ed25519")


@pytest.fixture
def verifier(issuer):
    return build_verifier(issuer)


@pytest.fixture
def clock():
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


def sign_json(issuer, **literals):
    """A token whose claims are written literally: `exp="1e400"` is a number that Python would write otherwise."""
    key = issuer.signing_key
    claims = {name: value for name, value in read_claims(issuer.mint()).items() if name not in literals}
    more = "".join(f",{json.dumps(name)}:{text}" for name, text in literals.items())
    header = json.dumps({"alg": key.algorithm, "kid": key.kid}).encode()
    return sign(header, (json.dumps(claims)[:-1] + more + "}").encode(), key)


# ── iss ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.promise("GD-07")
@pytest.mark.parametrize(
    "iss",
    [
        ABSENT,
        None,
        "",
        "https://issuer.test/",
        "https://ISSUER.test",
        "HTTPS://issuer.test",
        "http://issuer.test",
        "https://issuer.test:443",
        "https://issuer.test/.",
        "https://issuer.test?",
        "https://issuer.test#",
        "https://issuer.test ",
        " https://issuer.test",
        "https://issuer.test\0",
        "https://issuer.tes",
        "https://issuer.test.evil.example",
        "https://\u0456ssuer.test",
        "https://issuer%2Etest",
        "issuer.test",
        ["https://issuer.test"],
        {"https://issuer.test": 1},
        True,
        0,
    ],
)
def test_the_issuer_is_compared_byte_for_byte(issuer, verifier, iss):
    assert find_reason(verifier, issuer.mint(iss=iss)) == "wrong_issuer"


# ── aud ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.promise("GD-07")
@pytest.mark.parametrize(
    ("aud", "read"),
    [
        ("https://api.test", ("https://api.test",)),
        (["https://api.test"], ("https://api.test",)),
        (["https://other.test", "https://api.test"], ("https://other.test", "https://api.test")),
        ("urn:second", ("urn:second",)),
    ],
)
def test_one_of_our_audiences_is_enough(issuer, aud, read):
    verifier = build_verifier(issuer, audience="https://api.test\n  urn:second")
    assert verifier.verify(issuer.mint(aud=aud)).audience == read


@pytest.mark.promise("GD-07")
@pytest.mark.parametrize(
    "aud",
    [
        ABSENT,
        [],
        "",
        [""],
        "https://api.test/",
        "https://api.test https://other.test",
        "HTTPS://API.TEST",
        "https://api.tes",
        "https://other.test",
        ["https://other.test", "https://API.test"],
        "*",
        ["*"],
    ],
)
def test_another_audience_is_refused(issuer, verifier, aud):
    assert find_reason(verifier, issuer.mint(aud=aud)) == "wrong_audience"


@pytest.mark.promise("GD-07")
@pytest.mark.parametrize(
    "aud",
    [
        None,
        True,
        1,
        {"https://api.test": True},
        [["https://api.test"]],
        ["https://api.test", None],
        ["https://api.test", 1],
        ["https://api.test", {}],
        [{"https://api.test": 1}, "https://api.test"],
    ],
)
def test_an_audience_of_another_type_is_refused(issuer, verifier, aud):
    assert find_reason(verifier, issuer.mint(aud=aud)) == "bad_audience"


# ── client ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.promise("GD-07")
@pytest.mark.parametrize(
    ("claims", "client"),
    [
        ({"client_id": "web"}, "web"),
        ({"client_id": ABSENT, "cid": "web"}, "web"),
        ({"client_id": ABSENT, "azp": "web"}, "web"),
        ({"client_id": "web", "azp": "other"}, "web"),
        ({"client_id": "web", "cid": "other", "azp": "another"}, "web"),
        ({"client_id": ABSENT, "cid": "web", "azp": "other"}, "web"),
    ],
)
def test_the_client_is_found_where_issuers_put_it(issuer, claims, client):
    assert build_verifier(issuer).verify(issuer.mint(claims)).client_id == client
    assert build_verifier(issuer, client_id="mobile web").verify(issuer.mint(claims)).client_id == client


@pytest.mark.promise("GD-07")
@pytest.mark.parametrize(
    "claims",
    [
        {"client_id": "evil"},
        {"client_id": "evil", "azp": "web"},
        {"client_id": "WEB"},
        {"client_id": ""},
        {"client_id": "web "},
        {"client_id": "web mobile"},
        {"client_id": ABSENT},
        {"client_id": ABSENT, "app_id": "web"},
        {"client_id": ABSENT, "appid": "evil"},
        {"client_id": ABSENT, "azp": "evil", "appid": "web"},
    ],
)
def test_a_client_that_is_not_listed_is_refused(issuer, claims):
    assert find_reason(build_verifier(issuer, client_id="mobile web"), issuer.mint(claims)) == "wrong_client"


@pytest.mark.slow
@pytest.mark.promise("GD-07")
@pytest.mark.parametrize("name", ["client_id", "cid", "azp"])
@pytest.mark.parametrize("value", [None, 1, True, ["web"], {"web": 1}])
def test_a_client_of_another_type_is_refused(issuer, name, value):
    claims = {"client_id": ABSENT, name: value}
    assert find_reason(build_verifier(issuer), issuer.mint(claims)) == "bad_client"
    assert find_reason(build_verifier(issuer, client_id="web"), issuer.mint(claims)) == "bad_client"


# ── exp, nbf, iat ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.promise("GD-08")
def test_a_token_without_an_end_is_refused(issuer, verifier):
    assert find_reason(verifier, issuer.mint(exp=ABSENT)) == "missing_exp"


@pytest.mark.slow
@pytest.mark.promise("GD-08")
@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize(
    "literal",
    [
        "null",
        "true",
        "false",
        '"1900000000"',
        '""',
        '"NaN"',
        '"2027-01-01T00:00:00Z"',
        "[]",
        "[1900000000]",
        "{}",
        '{"$gt":0}',
        "1e308",
        "9007199254740993",
        "9" * 30,
        "-" + "9" * 30,
        "1" + "0" * 4000,
    ],
    ids=lambda literal: literal[:24],
)
def test_a_time_that_is_no_finite_number_is_refused(issuer, verifier, name, literal):
    assert find_reason(verifier, sign_json(issuer, **{name: literal})) == "bad_time"


@pytest.mark.slow
@pytest.mark.promise("GD-08")
@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize(
    "literal",
    ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1e309", "9" * 5000, "1_800_000_000", "0x77359400", "+1", "01"],
)
def test_a_time_that_is_no_json_is_refused(issuer, verifier, name, literal):
    assert find_reason(verifier, sign_json(issuer, **{name: literal})) == "bad_json"


@pytest.mark.promise("GD-08")
@pytest.mark.parametrize("literal", ["1800000600", "1800000600.0", "1800000600.5", "1.8000006e9", "18000006e2"])
def test_a_time_may_be_written_as_json_allows(issuer, verifier, clock, literal):
    assert verifier.verify(sign_json(issuer, exp=literal)).expires_at == pytest.approx(float(literal))


@pytest.mark.promise("GD-08")
@pytest.mark.parametrize("exp", [0, -1, -0.0, 1, 1_300_819_380])
def test_a_time_long_ago_is_long_ago(issuer, verifier, exp):
    assert find_reason(verifier, issuer.mint(exp=exp)) == "expired"


@pytest.mark.promise("GD-08")
@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"exp": NOW + 1}, None),
        ({"exp": NOW}, None),
        ({"exp": NOW - LEEWAY + 1}, None),
        ({"exp": NOW - LEEWAY + 0.001}, None),
        ({"exp": NOW - LEEWAY}, "expired"),
        ({"exp": NOW - LEEWAY - 1}, "expired"),
        ({"nbf": NOW + LEEWAY}, None),
        ({"nbf": NOW + LEEWAY + 0.001}, "not_yet_valid"),
        ({"nbf": NOW + LEEWAY + 1}, "not_yet_valid"),
        ({"nbf": 0}, None),
        ({"iat": NOW + LEEWAY}, None),
        ({"iat": NOW + LEEWAY + 1}, "issued_in_future"),
        ({"iat": -1}, None),
        ({"iat": ABSENT}, None),
    ],
    ids=str,
)
def test_the_leeway_is_the_line(issuer, verifier, clock, claims, reason):
    raw = issuer.mint(claims)
    if reason:
        assert find_reason(verifier, raw) == reason
    else:
        assert verifier.verify(raw)


@pytest.mark.promise("GD-08")
def test_without_leeway_a_token_ends_with_its_last_second(issuer, clock):
    verifier = build_verifier(issuer, leeway="0")
    raw = issuer.mint(exp=NOW + 10)
    assert verifier.verify(raw)
    clock.move_to(NOW + 9.999)
    assert verifier.verify(raw)
    clock.move_to(NOW + 10)
    assert find_reason(verifier, raw) == "expired"


@pytest.mark.promise("GD-08")
@pytest.mark.parametrize("size", ["10000", "0"])
def test_a_remembered_token_ends_like_any_other(issuer, clock, size):
    verifier = build_verifier(issuer, cache__tokens__size=size)
    raw = issuer.mint(exp=NOW + 60)
    for seconds in (0, 59, 60, 89):
        clock.move_to(NOW + seconds)
        assert verifier.verify(raw)
    for seconds in (90, 91, 10_000):
        clock.move_to(NOW + seconds)
        assert find_reason(verifier, raw) == "expired"


# ── scope ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.promise("GD-12")
@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({"scope": "read write"}, {"read", "write"}),
        ({"scope": ["read", "write"]}, {"read", "write"}),
        ({"scp": "read write"}, {"read", "write"}),
        ({"scp": ["read", "write"]}, {"read", "write"}),
        ({"scope": "read", "scp": ["admin"]}, {"read"}),
        ({"scope": "", "scp": ["admin"]}, set()),
        ({"scope": [], "scp": ["admin"]}, set()),
        ({"scope": " read  write "}, {"read", "write"}),
        ({"scope": "read read"}, {"read"}),
        ({"scope": "read\twrite"}, {"read\twrite"}),
        ({"scope": "read\u00a0write"}, {"read\u00a0write"}),
        ({"scope": "read,write"}, {"read,write"}),
        ({"scope": ["read write"]}, {"read write"}),
        ({}, set()),
    ],
)
def test_scopes_are_read_as_they_are_written(issuer, verifier, claims, scopes):
    assert verifier.verify(issuer.mint(claims)).scopes == scopes


@pytest.mark.promise("GD-12")
@pytest.mark.parametrize("name", ["scope", "scp"])
@pytest.mark.parametrize(
    "value", [None, 1, True, {}, {"read": True}, [["read"]], ["read", None], ["read", 1], ["read", {"a": 1}], [True]]
)
def test_scopes_of_another_type_are_refused(issuer, verifier, name, value):
    assert find_reason(verifier, issuer.mint({name: value})) == "bad_scope"


@pytest.mark.promise("GD-12")
def test_the_claim_of_the_scopes_is_the_deployers_choice(issuer):
    verifier = build_verifier(issuer, scope_claim="https://example.com/permissions permissions")
    raw = issuer.mint({"permissions": ["a"], "scope": "b"})
    assert verifier.verify(raw).scopes == {"a"}
    raw = issuer.mint({"https://example.com/permissions": "c", "permissions": ["a"]})
    assert verifier.verify(raw).scopes == {"c"}


# ── sub, jti, username ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.promise("GD-12")
@pytest.mark.parametrize("name", ["sub", "jti", "username"])
@pytest.mark.parametrize("value", [1, True, [], ["ada"], {}, 1.5])
def test_a_name_of_another_type_is_refused(issuer, verifier, name, value):
    assert find_reason(verifier, issuer.mint({name: value})) == "bad_claim"


@pytest.mark.parametrize("name", ["sub", "jti"])
@pytest.mark.parametrize("value", [ABSENT, None])
def test_a_name_that_is_not_there_is_none(issuer, verifier, name, value):
    token = verifier.verify(issuer.mint({name: value}))
    assert {"sub": token.subject, "jti": token.token_id}[name] is None


# ── principals: nothing in a token becomes one outside its prefix ────────────────────────────────────────────────

PREFIXES = ("scope:", "client:", "user:", "role:")
FORGED = (
    Everyone,
    Authenticated,
    "user:admin",
    "scope:admin",
    "role:admin",
    "client:admin",
    "scope:admin user:admin",
    "system.Everyone\nsystem.Authenticated",
    "",
    "\0",
)


@pytest.fixture
def find_principals(issuer):
    """What the ACLs of an application are asked with, for a token with these claims."""
    config = Configurator(settings={**issuer.settings, "oauthguard.role_claim": "realm.roles"})
    config.include("pyramid_oauthguard")

    def tell(request):
        policy = request.registry.getUtility(ISecurityPolicy)
        assert isinstance(policy, OAuthSecurityPolicy)
        return sorted(policy.effective_principals(request))

    config.add_route("home", "/")
    config.add_view(tell, route_name="home", renderer="json", token_check="local")
    app = TestApp(config.make_wsgi_app())
    trust(app, issuer)

    def find(**claims):
        return set(app.get("/", headers=issuer.bearer(claims)).json)

    return find


@pytest.mark.promise("GD-12")
@pytest.mark.parametrize("forged", FORGED, ids=repr)
def test_no_claim_becomes_a_principal_outside_its_prefix(find_principals, forged):
    found = find_principals(
        sub=forged, client_id=forged + "!", scope=forged, scp=[forged], jti=forged, realm={"roles": [forged]}
    )
    named = found - {Everyone, Authenticated}
    assert all(principal.startswith(PREFIXES) for principal in named)
    scopes = {f"scope:{scope}" for scope in forged.split(" ") if scope}
    others = {f"user:{forged}", f"role:{forged}"} if forged else set()
    assert named == scopes | others | {f"client:{forged}!"}


@pytest.mark.promise("GD-12")
@pytest.mark.parametrize("forged", FORGED, ids=repr)
def test_a_list_of_scopes_is_no_way_around_it(find_principals, forged):
    found = find_principals(scope=[forged, "ok"])
    assert found - {Everyone, Authenticated, f"scope:{forged}", "scope:ok", "scope:"} == {
        "client:test-client",
        "user:test-user",
    }


@pytest.mark.promise("GD-12")
def test_a_client_that_acts_for_itself_is_no_user(find_principals):
    """Else a client could be registered under the name of a user (RFC 9700 section 4.15)."""
    assert find_principals(sub="app", client_id="app") == {Everyone, Authenticated, "client:app"}
    assert "user:app@clients" not in find_principals(sub="app@clients", client_id="app")


# ── any claims at all ────────────────────────────────────────────────────────────────────────────────────────────

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "scope", "scp", "client_id", "cid", "azp"])
ANY_ISSUER = MemoryIssuer(algorithm="Ed25519")


@pytest.fixture(scope="module")
def any_verifier():
    return build_verifier(ANY_ISSUER)


@pytest.mark.slow
@pytest.mark.promise("GD-07", "GD-08", "GD-12")
@settings(max_examples=400, deadline=None)
@given(claims=st.dictionaries(NAMES | st.text(max_size=8), JSON_VALUES, max_size=5))
@example(claims={"exp": math.nan})
@example(claims={"exp": math.inf, "aud": "https://api.test"})
def test_any_claims_are_accepted_rightly_or_refused(any_verifier, claims):
    raw = ANY_ISSUER.mint(claims)
    try:
        token = any_verifier.verify(raw)
    except InvalidToken:
        return
    said = read_claims(raw)
    assert token.issuer == said["iss"] == ANY_ISSUER.identifier
    assert ANY_ISSUER.audience in token.audience
    assert time.time() < token.expires_at + LEEWAY
    assert all(isinstance(scope, str) for scope in token.scopes)
    assert token.subject is None or token.subject == said["sub"]
