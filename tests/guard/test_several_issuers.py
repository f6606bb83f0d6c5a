"""Several issuers in one application: each token is judged by the settings, keys and endpoint of the issuer that it names."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from itertools import permutations
from typing import Any

import pytest

from pyramid_oauthguard.guard.settings import TABLE, is_inherited, parse_settings
from pyramid_oauthguard.testing import MemoryIssuer, mint
from pyramid_oauthguard.testing.tokens import sign
from tests.guard.guarding import add, ask, find_setting_error, find_status
from tests.guard.several import API, Opaque, build, find_principals, write, write_all

STAFF, SHOP = MemoryIssuer("https://staff.test", audience=API), MemoryIssuer("https://shop.test", audience=API)
TWO = {"staff": STAFF, "shop": SHOP}


@pytest.fixture(scope="module")
def app() -> Any:
    return build(write_all(TWO, role_claim="roles"), STAFF, SHOP)


# ── one token, one issuer ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.promise("GD-31")
@pytest.mark.parametrize("path", ["/local", "/remote"])
def test_tokens_of_each_are_accepted_by_its_name(app: Any, path: str) -> None:
    for name, issuer in TWO.items():
        raw = issuer.mint(sub="ada")
        for _warm in range(3):
            assert ask(app, path, raw).json["issuer"] == name


@pytest.mark.promise("GD-31")
@pytest.mark.parametrize("path", ["/local", "/remote"])
@pytest.mark.parametrize(("mine", "theirs"), [(STAFF, SHOP), (SHOP, STAFF)])
def test_the_key_of_one_signs_no_token_of_another(
    app: Any, path: str, mine: MemoryIssuer, theirs: MemoryIssuer
) -> None:
    forged = mine.mint(iss=theirs.identifier)
    named = mine.mint(iss=theirs.identifier, key=None, header={"kid": theirs.signing_key.kid})
    assert [find_status(app, path, raw) for raw in (forged, named)] == [401, 401]


def test_an_unknown_issuer_is_asked_for_nothing(app: Any) -> None:
    third = MemoryIssuer("https://third.test", audience=API)
    before = STAFF.calls.copy(), SHOP.calls.copy()
    for path in ("/local", "/remote"):
        for iss in (third.identifier, "https://staff.test/", "https://STAFF.test", "", None, 7, ["https://staff.test"]):
            assert find_status(app, path, third.mint(iss=iss)) == 401
    assert (STAFF.calls, SHOP.calls) == before
    assert not third.calls


@pytest.mark.parametrize("path", ["/local", "/remote"])
@pytest.mark.parametrize(
    "claims", [b'{"iss":"h\xff"}', b'{"iss":"https://\xc3","sub":"ada"}', b'{"sub":"ada","iss":"h\xff"}']
)
def test_an_issuer_that_is_not_utf_8_is_refused_like_an_unknown_one(app: Any, path: str, claims: bytes) -> None:
    head, _claims, signature = STAFF.mint().split(".")
    body = urlsafe_b64encode(claims + b" " * (-len(claims) % 3)).decode()
    assert find_status(app, path, f"{head}.{body}.{signature}") == 401


@pytest.mark.promise("GD-31")
def test_each_has_its_own_audience_and_scopes_and_none_of_another() -> None:
    settings = write_all(TWO) | write("shop", audience="https://shop-api.test", scopes="orders")
    app = build(settings, STAFF, SHOP)
    found = ask(app, "/local", SHOP.mint(aud="https://shop-api.test", scope="orders admin")).json
    assert found["scopes"] == ["orders"]
    assert "scope:admin" not in found["principals"]
    assert find_status(app, "/local", SHOP.mint()) == 401
    assert find_status(app, "/local", STAFF.mint(aud="https://shop-api.test")) == 401
    assert ask(app, "/remote", SHOP.mint(aud="https://shop-api.test", scope="orders admin")).json["scopes"] == [
        "orders"
    ]


def test_a_plain_issuer_and_named_ones_live_together() -> None:
    settings = {**STAFF.settings, **write(None, issuers="shop")} | write("shop", issuer=SHOP.identifier, scopes="any")
    app = build(settings, STAFF, SHOP, remote=False)
    assert find_principals(app, STAFF.mint(sub="shop/ada", client_id="a%b")) == {"user:shop%2Fada", "client:a%25b"}
    assert find_principals(app, SHOP.mint(sub="ada", client_id="web")) == {
        "user:shop/ada",
        "client:shop/web",
        "issuer:shop",
    }
    assert ask(app, "/local", STAFF.mint(sub="shop/ada")).json["user"] == "shop%2Fada"
    assert ask(app, "/local", SHOP.mint(sub="ada")).json["user"] == "shop/ada"


def test_one_plain_issuer_keeps_its_principals() -> None:
    app = build(STAFF.settings, STAFF)
    assert find_principals(app, STAFF.mint(sub="a/b", client_id="https://c.test/%")) == {
        "user:a/b",
        "client:https://c.test/%",
    }


# ── principals ───────────────────────────────────────────────────────────────────────────────────────────────────────

ODD = ["ada", "shop/ada", "staff/ada", "staff%2Fada", "/", "%", "a/../staff/ada", "..", "any", "user:ada", "a b"]


@pytest.mark.promise("GD-31")
@pytest.mark.promise("GD-12")
def test_two_issuers_share_no_principal(app: Any) -> None:
    """Whatever stands in sub, client and roles."""
    mine: set[str] = set()
    theirs: set[str] = set()
    for text in ODD:
        claims = {"sub": text, "client_id": f"c{text}", "roles": [text, "admin"]}
        mine |= find_principals(app, STAFF.mint(claims))
        theirs |= find_principals(app, SHOP.mint(claims))
    assert len(mine) == len(theirs) == 3 * len(ODD) + 2
    assert not mine & theirs
    assert all(name.partition(":")[2].startswith("staff") for name in mine)


def test_a_user_id_has_the_name_of_its_issuer(app: Any) -> None:
    assert ask(app, "/local", STAFF.mint(sub="a/b%c")).json["user"] == "staff/a%2Fb%25c"


def test_roles_are_those_that_the_table_lists() -> None:
    settings = write_all(TWO, role_claim="roles") | write("shop", roles="clerk")
    app = build(settings, STAFF, SHOP)
    claims = {"sub": "ada", "client_id": "ada", "roles": ["admin", "clerk"]}
    assert {name for name in find_principals(app, SHOP.mint(claims)) if name.startswith("role:")} == {"role:shop/clerk"}
    assert "role:staff/admin" in find_principals(app, STAFF.mint(claims))


# ── views ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.promise("GD-31")
def test_a_view_takes_tokens_of_the_issuers_that_it_names() -> None:
    def configure(config: Any) -> None:
        add(config, "/staff", token_issuer="staff")
        add(config, "/both", token_issuer=["staff", "shop"])
        add(config, "/clerk", token_require={"client": "shop/web"})

    app = build(write_all(TWO), STAFF, SHOP, configure=configure)
    one, other = STAFF.mint(client_id="shop/web"), SHOP.mint(client_id="web")
    assert [find_status(app, "/staff", raw) for raw in (one, other, None)] == [200, 403, 401]
    assert [find_status(app, "/both", raw) for raw in (one, other)] == [200, 200]
    assert [find_status(app, "/clerk", raw) for raw in (one, other)] == [403, 200]


@pytest.mark.parametrize(
    ("value", "said"),
    [("stuff", "'stuff' is not one of oauthguard.issuers"), ("", "must name at least one"), (7, "white")],
)
def test_a_view_that_names_no_issuer_stops_start_up(value: Any, said: str) -> None:
    error = find_setting_error(
        lambda: build(write_all(TWO), configure=lambda config: add(config, "/x", token_issuer=value))
    )
    assert error.key == "token_issuer"
    assert said in error.problem


# ── opaque tokens ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.promise("GD-31")
def test_an_opaque_token_is_shown_to_one_issuer_at_most() -> None:
    issuers = {name: Opaque(f"https://{name}.test", f"{name}_", audience=API) for name in ("one", "two", "three")}
    issuers["four"] = Opaque("https://four.test", audience=API)
    app = build(write_all(issuers), *issuers.values())
    for name in ("one", "two", "three"):
        raw = issuers[name].mint_opaque(sub="ada")
        assert ask(app, "/remote", raw).json["user"] == f"{name}/ada"
        assert find_status(app, "/local", raw) == 401
        assert {other: each.seen for other, each in issuers.items() if each.seen} == {name: [raw]}
        issuers[name].seen.clear()
    strange = ["abc", "on", "ONE_x", "four_x", "one", "a.b.c", "eyJ.eyJ.x", issuers["four"].mint_opaque(), "x.y"]
    assert [find_status(app, "/remote", raw) for raw in strange] == [401] * len(strange)
    assert not any(each.seen for each in issuers.values())


@pytest.mark.promise("GD-31")
def test_what_looks_like_a_jwt_and_is_none_is_opaque() -> None:
    issuer = Opaque("https://one.test", "one.", audience=API)
    other = Opaque("https://two.test", "two.", audience=API)
    app = build(write_all({"one": issuer, "two": other}), issuer, other)
    raw = "one.two.three"
    issuer._opaque[raw] = {**issuer._build_claims(), "sub": "ada"}
    assert ask(app, "/remote", raw).json["user"] == "one/ada"
    assert (issuer.seen, other.seen) == ([raw], [])


@pytest.mark.promise("GD-31")
@pytest.mark.parametrize("claims", [{"aud": "https://other.test"}, {"exp": 1}, {"client_id": 7}])
def test_a_token_whose_local_check_fails_is_not_introspected(claims: dict[str, Any]) -> None:
    issuer = Opaque("https://one.test", "ey", audience=API)
    app = build(write_all({"one": issuer, "two": SHOP}), issuer, SHOP)
    for raw in (issuer.mint(claims), issuer.mint_tampered(), SHOP.mint(iss=issuer.identifier)):
        assert find_status(app, "/remote", raw) == 401
    assert not issuer.seen


@pytest.mark.parametrize(("one", "other"), [("a_", "a_"), ("a_", "a_b"), ("abc", "a")])
def test_prefixes_that_begin_with_one_another_stop_start_up(one: str, other: str) -> None:
    settings = write_all(TWO) | write("staff", token_prefix=one) | write("shop", token_prefix=other)
    assert "token_prefix" in find_setting_error(lambda: build(settings)).key


# ── settings ─────────────────────────────────────────────────────────────────────────────────────────────────────────

INHERITED = {
    "audience", "algorithms", "leeway", "profile", "scope_claim", "role_claim", "keys.cooldown", "keys.max_stale",
    "http.timeout", "http.max_bytes", "http.ca_file", "cache.metadata.*", "cache.jwks.*", "cache.introspection.*",
    "cache.inactive.*", "cache.secret", "cache.trusted", "cache.tokens.size",
}  # fmt: skip


def test_what_is_inherited_is_a_closed_list() -> None:
    """A new setting joins this list on purpose: no address, no key, no credential, and nothing that allows more."""
    known = {row.name for row in TABLE}
    found = {name for name in known if is_inherited(name)}
    assert found - INHERITED <= {"check_issued_at", "client_id_claim", "http.proxy", "http.no_proxy"}
    assert found >= INHERITED


def test_a_table_inherits_what_it_does_not_set() -> None:
    settings = write_all(
        TWO, leeway="7s", cache__jwks__expiration_time="10m", scope_claim="permissions", profile="rfc9068"
    )
    staff, shop = parse_settings(settings | write("shop", leeway="1s", cache__jwks__expiration_time="1m")).named
    assert (staff.leeway, shop.leeway) == (7, 1)
    assert (staff.find_expiration("jwks", 0), shop.find_expiration("jwks", 0)) == (600, 60)
    assert staff.scope_claim == shop.scope_claim == ("permissions",)
    assert staff.audience == (API,)


@pytest.mark.promise("GD-31")
def test_a_table_inherits_nothing_of_another_table() -> None:
    own = write(
        "staff", role_claim="groups", leeway="9s", keys__cooldown="9s", http__timeout="9s", audience="https://x.test"
    )
    shop = parse_settings(write_all(TWO) | own).named[1]
    assert (shop.role_claim, shop.leeway, shop.keys_cooldown, shop.http_timeout, shop.audience) == (
        (),
        30,
        30,
        5,
        (API,),
    )


def test_a_cache_of_its_own_inherits_no_arguments_of_another() -> None:
    common = {
        "cache__jwks__backend": "dogpile.cache.redis",
        "cache__jwks__arguments__url": "redis://x",
        "cache__secret": "s3" * 17,
    }
    settings = write_all(TWO, **common) | write(
        "shop", cache__jwks__backend="dogpile.cache.memory", cache__secret_file="/nope"
    )
    error = find_setting_error(lambda: parse_settings(settings))
    assert error.key == "oauthguard.issuers.shop.cache.secret_file", "its own file, not both"
    del settings["oauthguard.issuers.shop.cache.secret_file"]
    settings["oauthguard.cache.secret"] = "0123456789abcdefghijklmnopqrstuvwxyz"
    staff, shop = parse_settings(settings).named
    assert staff.cache_jwks == {"backend": "dogpile.cache.redis", "arguments.url": "redis://x"}
    assert shop.cache_jwks == {"backend": "dogpile.cache.memory"}


@pytest.mark.promise("GD-31")
@pytest.mark.parametrize("name", sorted({row.name for row in TABLE if not row.name.endswith(".*")} - INHERITED))
def test_what_is_not_inherited_stays_with_its_issuer(name: str) -> None:
    row = next(row for row in TABLE if row.name == name)
    plain = parse_settings(
        {**STAFF.settings, **write(None, issuers="shop")} | write("shop", issuer=SHOP.identifier, scopes="any")
    )
    if name in (
        "issuers",
        "issuer",
        "scopes",
        "token_check",
        "realm",
        "principals",
        "policy",
        "resource",
        "resource_metadata",
    ):
        return
    assert getattr(plain.named[0], row.field) == row.default


PLAIN = {**STAFF.settings, **write(None, issuers="shop")} | write("shop", issuer=SHOP.identifier, scopes="any")


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        (write("shop", scopes=""), "issuers.shop.scopes"),
        (write("shop", issuer=""), "issuers.shop.issuer"),
        (write("shop", issuer=STAFF.identifier), "issuers.shop.issuer"),
        (write("shop", scopes="any read"), "issuers.shop.scopes"),
        (write("shop", roles="any clerk"), "issuers.shop.roles"),
        (write("shop", issuer_values="a"), "issuers.shop.issuer_values"),
        (write("shop", jwks_urii="x"), "issuers.shop.jwks_urii"),
        (write("shop", realm="x"), "issuers.shop.realm"),
        (write("shop", token_check="remote"), "issuers.shop.token_check"),
        (write("shop", leeway="long"), "issuers.shop.leeway"),
        (write("shop", token_prefix="a b"), "issuers.shop.token_prefix"),
        (write("shop", keys__cooldown="2h"), "issuers.shop.keys.cooldown"),
        (write("shop", introspection__client_id="api"), "issuers.shop.introspection.client_secret"),
        (write("shap", issuer="https://x.test"), "issuers.shap.issuer"),
        (write(None, client_id="web"), "issuers.shop.client_id"),
        (write(None, issuers="shop shop"), "issuers"),
        (write(None, issuers="a/b"), "issuers"),
        (write(None, issuers="a.b"), "issuers"),
        (write(None, issuers="shop", audience=""), "audience"),
        (
            write(None, issuer="", introspection__client_id="api", introspection__auth_method=""),
            "introspection.client_id",
        ),
        (write(None, issuer="", jwks_uri="https://k.test", introspection__auth_method=""), "jwks_uri"),
    ],
)
def test_settings_that_cannot_be_meant_stop_start_up(settings: dict[str, Any], key: str) -> None:
    assert find_setting_error(lambda: parse_settings(PLAIN | settings)).key == f"oauthguard.{key}"


def test_a_remote_view_needs_each_issuer_that_it_is_for() -> None:
    settings = write_all(TWO)
    del settings["oauthguard.issuers.shop.introspection.auth_method"]
    error = find_setting_error(lambda: build(settings))
    assert error.key == "oauthguard.issuers.shop.introspection.client_id"
    assert "token_issuer" in error.hint
    build(
        settings, remote=False, configure=lambda config: add(config, "/x", token_check="remote", token_issuer="staff")
    )


@pytest.mark.parametrize("names", list(permutations(["staff", "shop"])))
def test_the_order_of_the_names_does_not_matter(names: tuple[str, ...]) -> None:
    app = build(write_all(TWO) | write(None, issuers=" ".join(names)), STAFF, SHOP)
    assert ask(app, "/local", SHOP.mint(sub="ada")).json["user"] == "shop/ada"


HEADER = json.dumps({"alg": "RS256", "typ": "at+jwt", "kid": STAFF.signing_key.kid}).encode()

# ── how an issuer is found ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"act": {"iss": SHOP.identifier}},
        {"note": f'"iss":"{SHOP.identifier}"'},
        {"iss ": SHOP.identifier},
        {"text": "x" * 5_000},
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_the_issuer_is_the_claim_and_not_another_text(app: Any, claims: dict[str, Any], first: bool) -> None:
    """Wherever it stands in the token, and whatever else has its name."""
    own = STAFF._build_claims()
    iss = {"iss": own.pop("iss")}
    raw = mint({**iss, **claims, **own} if first else {**claims, **own, **iss}, STAFF.signing_key)
    assert [ask(app, path, raw).json["issuer"] for path in ("/local", "/remote")] == ["staff", "staff"]


@pytest.mark.parametrize(
    "text", ['{"iss":"%s","iss":"%s"}', '{"x":1,"iss":"%s","iss":"%s"}', '{"\\u0069ss":"%s","iss":"%s"}']
)
def test_a_token_that_names_two_issuers_is_refused(app: Any, text: str) -> None:
    for names in ((STAFF.identifier, SHOP.identifier), (SHOP.identifier, STAFF.identifier)):
        rest = json.dumps({**STAFF._build_claims(), "iss": None}).replace('"iss": null, ', "")
        raw = sign(HEADER, ((text % names)[:-1] + "," + rest[1:]).encode(), STAFF.signing_key)
        assert [find_status(app, path, raw) for path in ("/local", "/remote")] == [401, 401]


@pytest.mark.parametrize("path", ["/local", "/remote"])
def test_the_claims_of_a_forged_token_are_in_no_log(app: Any, path: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    forged = SHOP.mint(iss=STAFF.identifier, sub="mallory", client_id="mallory", scope="mallory", jti="mallory")
    assert find_status(app, path, forged) == 401
    assert "token refused" in caplog.text
    assert "mallory" not in caplog.text


def test_an_escaped_name_is_found_by_parsing(app: Any) -> None:
    own = json.dumps(STAFF._build_claims()).replace("https://", "https:\\/\\/")
    raw = sign(HEADER, own.encode(), STAFF.signing_key)
    assert ask(app, "/local", raw).json["issuer"] == "staff"
