"""Issuers with a placeholder: many tenants of one issuer, none of which passes for another, and no address out of a token."""

from __future__ import annotations

import itertools
import secrets
import socket
import urllib.parse
from typing import Any

import pytest

from pyramid_oauthguard.guard.settings import parse_settings
from pyramid_oauthguard.issuers.template import IssuerTemplate
from pyramid_oauthguard.testing import ABSENT, MemoryIssuer, SigningKey, mint
from tests.guard.guarding import ask, find_setting_error, find_status
from tests.guard.several import API, Opaque, build, find_principals, write
from tests.issuers import HTTPIssuer
from tests.steady.redis_server import run_redis

TEMPLATE = "https://login.test/{tid}/v2.0"
ONE, TWO, THREE = "tenant-1", "tenant-2", "tenant-3"
KEYS = "https://login.test/keys"


def write_template(values: str = f"{ONE} {TWO}", name: str | None = "entra", **more: Any) -> dict[str, Any]:
    """One named issuer that is a template, with keys that its tenants share unless `jwks_uri` is empty."""
    common = write(None, audience=API) | ({} if name is None else write(None, issuers=name))
    own = {"issuer": TEMPLATE, "issuer_values": values, "scopes": "any", "jwks_uri": KEYS, **more}
    return common | write(name, **{key: value for key, value in own.items() if value != ""})


def mint_for(issuer: MemoryIssuer, tenant: Any, **more: Any) -> str:
    return issuer.mint(**{"iss": f"https://login.test/{tenant}/v2.0", "tid": tenant, **more})


@pytest.fixture
def shared() -> MemoryIssuer:
    """What answers for all tenants."""
    return MemoryIssuer(TEMPLATE, audience=API)


# ── which tokens are accepted ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.promise("GD-31")
@pytest.mark.parametrize("values", [f"{ONE} {TWO}", "any"])
def test_tokens_of_its_tenants_are_accepted_and_no_others(shared: MemoryIssuer, values: str) -> None:
    app = build(write_template(values), shared, remote=False)
    for tenant in (ONE, TWO, ONE):
        for _warm in range(3):
            assert ask(app, "/local", mint_for(shared, tenant, sub="ada")).json["user"] == f"entra/{tenant}/ada"
    third = find_status(app, "/local", mint_for(shared, THREE))
    assert third == (200 if values == "any" else 401)


@pytest.mark.promise("GD-31")
@pytest.mark.parametrize(
    "claims",
    [
        {"tid": TWO},
        {"tid": ABSENT},
        {"tid": None},
        {"tid": [ONE]},
        {"tid": ONE.upper()},
        {"tid": f"{ONE} "},
        {"iss": f"https://login.test/{ONE}/v2.0/"},
        {"iss": f"https://login.test/{ONE}/"},
        {"iss": f"https://login.test//{ONE}/v2.0"},
        {"iss": f"https://LOGIN.test/{ONE}/v2.0"},
        {"iss": TEMPLATE, "tid": "{tid}"},
        {"iss": "https://login.test//v2.0", "tid": ""},
    ],
)
def test_iss_and_the_claim_must_say_the_same(shared: MemoryIssuer, claims: dict[str, Any]) -> None:
    for values in (f"{ONE} {TWO}", "any"):
        app = build(write_template(values), shared, remote=False)
        assert find_status(app, "/local", mint_for(shared, ONE)) == 200
        assert (
            find_status(app, "/local", shared.mint({"iss": f"https://login.test/{ONE}/v2.0", "tid": ONE, **claims}))
            == 401
        )


def test_a_plain_issuer_may_be_a_template() -> None:
    shared = MemoryIssuer(TEMPLATE, audience=API)
    app = build(write_template(name=None), shared, remote=False)
    assert find_principals(app, mint_for(shared, ONE, sub="a/b", client_id="web")) == {
        f"user:{ONE}/a%2Fb", f"client:{ONE}/web", f"issuer:{ONE}"
    }  # fmt: skip
    assert ask(app, "/local", mint_for(shared, ONE, sub="ada")).json["user"] == f"{ONE}/ada"


@pytest.mark.promise("GD-31")
@pytest.mark.parametrize("values", [f"{ONE} {TWO}", "any"])
def test_two_tenants_share_no_principal(shared: MemoryIssuer, values: str) -> None:
    app = build(write_template(values, role_claim="roles"), shared, remote=False)
    found: dict[str, set[str]] = {ONE: set(), TWO: set()}
    for text in (ONE, TWO, f"{TWO}/ada", f"{ONE}%2Fada", "/", "%", "..", f"../{TWO}/ada", "ada"):
        for tenant in found:
            found[tenant] |= find_principals(
                app, mint_for(shared, tenant, sub=text, client_id=f"c{text}", roles=[text])
            )
    assert not found[ONE] & found[TWO]
    roles = {name for name in found[ONE] if name.startswith("role:")}
    assert bool(roles) == (values != "any"), "of any tenant, a role is only what the settings list"


def test_roles_of_any_tenant_are_those_of_the_list(shared: MemoryIssuer) -> None:
    app = build(write_template("any", role_claim="roles", roles="clerk"), shared, remote=False)
    found = find_principals(app, mint_for(shared, ONE, roles=["clerk", "admin"]))
    assert {name for name in found if name.startswith("role:")} == {f"role:entra/{ONE}/clerk"}


# ── keys ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.promise("GD-31")
@pytest.mark.parametrize("member", ["https://login.test/{tenantid}/v2.0", f"https://login.test/{ONE}/v2.0"])
def test_a_shared_key_that_belongs_to_a_tenant_verifies_its_tokens_alone(shared: MemoryIssuer, member: str) -> None:
    shared.publish({**SigningKey("own", "RS256", shared.signing_key.native).jwk, "issuer": member})
    app = build(write_template(), shared, remote=False)
    found = [find_status(app, "/local", mint_for(shared, tenant)) for tenant in (ONE, TWO)]
    named = [
        find_status(app, "/local", _mint_with_kid(shared, tenant, "own"))
        for _again in range(2)
        for tenant in (ONE, TWO)
    ]
    assert found == [200, 200]
    assert named == [200, 200 if "{" in member else 401] * 2


def _mint_with_kid(issuer: MemoryIssuer, tenant: str, kid: str) -> str:
    claims = {**issuer._build_claims(), "iss": f"https://login.test/{tenant}/v2.0", "tid": tenant}
    return mint(claims, SigningKey(kid, "RS256", issuer.signing_key.native))


@pytest.mark.promise("GD-31")
def test_tenants_with_keys_of_their_own_do_not_share_them() -> None:
    own = {tenant: MemoryIssuer(f"https://login.test/{tenant}/v2.0", audience=API) for tenant in (ONE, TWO)}
    app = build(write_template(jwks_uri=""), *own.values(), remote=False)
    for mine, theirs in itertools.permutations(own):
        assert find_status(app, "/local", mint_for(own[mine], mine)) == 200
        assert find_status(app, "/local", mint_for(own[mine], theirs)) == 401
        assert find_status(app, "/local", mint_for(own[mine], mine, tid=theirs)) == 401
        assert find_status(app, "/local", mint_for(own[mine], theirs, tid=mine)) == 401


@pytest.mark.promise("GD-31")
@pytest.mark.parametrize("backend", ["dogpile.cache.memory", "dogpile.cache.memory_pickle"])
def test_two_tenants_in_one_dictionary(backend: str) -> None:
    """An application in Python may give the caches a dictionary. All issuers inherit the same one."""
    own = {tenant: MemoryIssuer(f"https://login.test/{tenant}/v2.0", audience=API) for tenant in (ONE, TWO)}
    settings = write_template(jwks_uri="") | write(None, cache__jwks__backend=backend)
    settings["oauthguard.cache.jwks.arguments.cache_dict"] = {}
    app = build(settings, *own.values(), remote=False)
    for tenant, issuer in own.items():
        assert find_status(app, "/local", mint_for(issuer, tenant)) == 200
    for mine, theirs in itertools.permutations(own):
        assert find_status(app, "/local", mint_for(own[mine], theirs)) == 401


@pytest.mark.slow
@pytest.mark.needs("redis-server")
@pytest.mark.promise("GD-31")
@pytest.mark.promise("GD-25")
@pytest.mark.parametrize("order", list(itertools.permutations((ONE, TWO))))
def test_two_tenants_in_one_redis(tmp_path: Any, order: tuple[str, str]) -> None:
    own = {tenant: MemoryIssuer(f"https://login.test/{tenant}/v2.0", audience=API) for tenant in (ONE, TWO)}
    with run_redis(tmp_path) as server:
        backend = {"backend": "dogpile.cache.redis", "arguments.url": f"redis://127.0.0.1:{server.port}/0"}
        caches = {
            f"oauthguard.cache.{name}.{key}": value
            for name in ("jwks", "introspection")
            for key, value in backend.items()
        }
        settings = write_template(jwks_uri="", introspection__auth_method="none") | caches
        settings["oauthguard.cache.secret"] = secrets.token_urlsafe(32)
        settings["oauthguard.cache.introspection.expiration_time"] = "60"
        fetched: list[int] = []
        for _process in range(2):
            app = build(settings, *own.values())
            for tenant in order:
                for path in ("/local", "/remote"):
                    assert find_status(app, path, mint_for(own[tenant], tenant)) == 200
            fetched.append(sum(each.calls["fetch_keys"] for each in own.values()))
            for mine, theirs in itertools.permutations(own):
                for raw in (mint_for(own[mine], theirs), mint_for(own[mine], mine, tid=theirs)):
                    assert [find_status(app, path, raw) for path in ("/local", "/remote")] == [401, 401]
        assert fetched[0] == len(own)
        assert fetched[1] <= 2 * fetched[0], (
            "an unknown kid asks once more; the second process takes the keys from Redis"
        )


# ── what an attacker can cause ───────────────────────────────────────────────────────────────────────────────────────

EVIL = [
    "evil.test/x",
    "../x",
    "a@evil.test",
    "%2e",
    "x?y",
    "x#y",
    "{tid}",
    "",
    " ",
    "\u00e4",
    "a" * 65,
    "x/../y",
    ".",
    "a.b",
    "a\n",
]


@pytest.mark.slow
@pytest.mark.promise("GD-31")
def test_random_values_cause_one_fetch_at_most(shared: MemoryIssuer) -> None:
    app = build(write_template("any"), shared, remote=False)
    verifier = app.app.registry.oauthguard.authenticator._load_verifier("local")
    head, _body, tail = mint_for(shared, ONE).split(".")
    from pyramid_oauthguard import InvalidToken
    from pyramid_oauthguard.interfaces import Credential

    for _number in range(10_000):
        _head, body, _tail = _mint_unsigned(secrets.token_hex(8))
        with pytest.raises(InvalidToken):
            verifier.verify(Credential("Bearer", f"{head}.{body}.{tail}", "argument"))
    assert shared.calls["fetch_keys"] == 1
    tenants = verifier._issuers._issuers[0].parts
    assert len(tenants._others) <= 1_024


def _mint_unsigned(tenant: str) -> list[str]:
    import base64
    import json

    claims = json.dumps({"iss": f"https://login.test/{tenant}/v2.0", "tid": tenant, "exp": 1}).encode()
    return ["", base64.urlsafe_b64encode(claims).rstrip(b"=").decode(), ""]


@pytest.fixture
def contacted(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The hosts whose names are resolved."""
    hosts: set[str] = set()
    resolve = socket.getaddrinfo

    def record(host: Any, *args: Any, **kwargs: Any) -> Any:
        hosts.add(str(host))
        return resolve(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", record)
    return hosts


@pytest.mark.promise("GD-31")
@pytest.mark.promise("GD-44")
@pytest.mark.parametrize("values", ["any", ONE])
def test_no_claim_names_a_host_or_a_path(contacted: set[str], values: str) -> None:
    with HTTPIssuer() as server:
        shared = {"jwks_uri": f"{server.origin}/jwks"} if values == "any" else {"jwks_uri": ""}
        settings = write_template(values, **shared) | write("entra", issuer=f"{server.origin}/{{tid}}/v2.0")
        app = build(settings, remote=False)
        for value in EVIL:
            raw = server.issuer.mint(iss=f"{server.origin}/{value}/v2.0", tid=value, aud=API)
            assert find_status(app, "/local", raw) == 401, value
            raw = server.issuer.mint(iss=f"https://{urllib.parse.quote(value)}/v2.0", tid=value, aud=API)
            assert find_status(app, "/local", raw) == 401, value
        assert not server.calls
        assert contacted <= {"127.0.0.1"}


# ── opaque tokens ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.promise("GD-31")
def test_the_answer_about_an_opaque_token_names_the_tenant() -> None:
    shared = Opaque(TEMPLATE, "entra_", audience=API)
    settings = write_template(
        token_prefix="entra_",
        introspection__auth_method="none",
        introspection__endpoint="https://login.test/introspect",
    )
    app = build(settings, shared)
    good = {"iss": f"https://login.test/{TWO}/v2.0", "tid": TWO, "sub": "ada"}
    assert ask(app, "/remote", shared.mint_opaque(good)).json["user"] == f"entra/{TWO}/ada"
    assert find_status(app, "/local", shared.mint_opaque(good)) == 401
    for bad in (
        {"iss": ABSENT},
        {"iss": TEMPLATE},
        {"iss": f"https://login.test/{THREE}/v2.0"},
        {"tid": ONE},
        {"tid": ABSENT},
    ):
        assert find_status(app, "/remote", shared.mint_opaque({**good, **bad})) == 401, bad


# ── settings ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ({"issuer_values": ""}, "issuer_values"),
        ({"issuer_values": "any one"}, "issuer_values"),
        ({"issuer_values": "a.b"}, "issuer_values"),
        ({"issuer_values": "a/b"}, "issuer_values"),
        ({"issuer_values": "a" * 65}, "issuer_values"),
        ({"issuer": "https://{tid}.login.test/v2", "issuer_values": "any"}, "issuer_values"),
        ({"issuer": "https://login.test/{tid}/{oid}"}, "issuer"),
        ({"issuer": "https://login.test/{t.id}/"}, "issuer"),
        ({"issuer": "https://login.test/{}/"}, "issuer"),
        ({"issuer_values": "any", "jwks_uri": ""}, "jwks_uri"),
        ({"issuer_values": "any", "jwks_uri": "", "metadata_url": "https://login.test/common"}, "jwks_uri"),
        ({"jwks_uri": "https://login.test/{tid}/keys"}, "jwks_uri"),
        ({"metadata_url": "https://login.test/{tid}"}, "metadata_url"),
        ({"introspection__auth_method": "none"}, "introspection.endpoint"),
        ({"userinfo__any_client": "true"}, "userinfo.endpoint"),
        ({"jwks_uri": "", "token_prefix": "x_"}, "token_prefix"),
    ],
)
def test_templates_that_are_not_safe_stop_start_up(more: dict[str, Any], key: str) -> None:
    settings = {name: value for name, value in (write_template() | write("entra", **more)).items() if value != ""}
    assert find_setting_error(lambda: parse_settings(settings)).key == f"oauthguard.issuers.entra.{key}"


@pytest.mark.promise("GD-31")
@pytest.mark.parametrize("values", [f"{ONE} {TWO}", "any"])
def test_a_value_of_a_plain_template_is_not_the_name_of_an_issuer(values: str) -> None:
    """Else a user of the tenant `staff` had the principals of a user of the issuer `staff`."""
    for name in (ONE, TWO, THREE):
        settings = write_template(values, name=None) | write(None, issuers=name)
        settings |= write(name, issuer="https://staff.test", scopes="any")
        if name == THREE and values != "any":
            parse_settings(settings)
        else:
            assert find_setting_error(lambda settings=settings: parse_settings(settings)).key == "oauthguard.issuers"


@pytest.mark.parametrize(
    ("other", "values"),
    [
        (f"https://login.test/{ONE}/v2.0", ""),
        (TEMPLATE, TWO),
        ("https://login.test/{oid}/v2.0", "any"),
        ("https://login.test/{tid}", f"{ONE} x"),
        ("https://login.test/tenant{tid}/v2.0", "any"),
    ],
)
def test_a_token_is_never_one_of_two_issuers(other: str, values: str) -> None:
    overlaps = other != "https://login.test/{tid}"
    settings = write_template() | write(None, issuers="entra other")
    settings |= write(
        "other", issuer=other, scopes="any", jwks_uri=KEYS, **({"issuer_values": values} if values else {})
    )
    if overlaps:
        assert find_setting_error(lambda: parse_settings(settings)).key == "oauthguard.issuers.other.issuer"
    else:
        parse_settings(settings)


def test_a_placeholder_in_the_host_takes_a_list() -> None:
    host = "https://{org}.okta.test"
    own = {value: MemoryIssuer(f"https://{value}.okta.test", audience=API) for value in ("a", "b")}
    app = build(write_template("a b", jwks_uri="", issuer=host), *own.values(), remote=False)
    assert ask(app, "/local", own["b"].mint(org="b", sub="ada")).json["user"] == "entra/b/ada"
    assert find_status(app, "/local", own["b"].mint(org="a")) == 401
    assert find_status(app, "/local", own["a"].mint(iss="https://b.okta.test", org="b")) == 401


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("https://x/{a}/v1", "https://x/{b}/v1", True),
        ("https://x/{a}/v1", "https://x/{a}/v2", False),
        ("https://x/{a}", "https://x/p{a}", True),
        ("https://x/{a}", "https://x/p/{a}", False),
        ("https://x/{a}", "https://y/{a}", False),
        ("https://x/{a}v1", "https://x/{a}1", True),
    ],
)
def test_whether_two_templates_overlap(one: str, other: str, expected: bool) -> None:
    first, second = IssuerTemplate.parse(one, None), IssuerTemplate.parse(other, None)
    assert first.overlaps(second) is second.overlaps(first) is expected
    assert str(first) == one
