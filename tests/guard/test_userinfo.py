"""The check by userinfo: it says who the user is, and gives nothing else."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from pyramid.config import Configurator
from pyramid.interfaces import ISecurityPolicy
from webtest import TestApp

from pyramid_oauthguard.testing import ABSENT, bearer, generate_key, mint
from tests.guard.guarding import find_setting_error
from tests.issuers import HTTPIssuer


def tell(request: Any) -> dict[str, Any]:
    token = request.access_token
    policy = request.registry.getUtility(ISecurityPolicy)
    return {
        "mode": token.mode,
        "sub": token.subject,
        "scopes": sorted(token.scopes),
        "principals": sorted(policy.effective_principals(request)),
    }


class Site(HTTPIssuer):
    """An issuer with a userinfo endpoint: `users` has the claims by token, `said` what it answers to all."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.extra = {"userinfo_endpoint": f"{self.origin}/userinfo"}
        self.users: dict[str, Any] = {}
        self.said: tuple[int, bytes] | None = None

    def answer_userinfo(self, headers: Any) -> tuple[int, bytes]:
        if self.said is not None:
            return self.said
        found = self.users.get(headers.get("Authorization", "").removeprefix("Bearer "))
        return (
            (401, b"{}") if found is None else (200, found if isinstance(found, bytes) else json.dumps(found).encode())
        )


@pytest.fixture
def site():
    with Site() as server:
        yield server


def build(site: Site, any_client: str = "true", **settings: str) -> TestApp:
    given = {**site.settings, "oauthguard.userinfo.any_client": any_client, "oauthguard.role_claim": "roles"}
    config = Configurator(settings={**given, **{f"oauthguard.{n.replace('__', '.')}": v for n, v in settings.items()}})
    config.include("pyramid_oauthguard")
    for mode in ("local", "remote", "userinfo"):
        config.add_route(mode, f"/{mode}")
        config.add_view(tell, route_name=mode, renderer="json", token_check=mode)
    return TestApp(config.make_wsgi_app())


def get(app: TestApp, path: str, raw: str) -> Any:
    return app.get(path, headers=bearer(raw), status="*")


@pytest.mark.promise("GD-66")
def test_an_opaque_token_gives_its_user_and_nothing_else(site):
    site.users["t1"] = {"sub": "ada", "scope": "admin", "client_id": "web", "roles": ["root"], "active": False}
    app = build(site)
    for _again in range(3):
        found = get(app, "/userinfo", "t1").json
        assert found["principals"] == ["system.Authenticated", "system.Everyone", "user:ada"]
        assert (found["mode"], found["scopes"]) == ("userinfo", [])
    assert get(app, "/userinfo", "t2").status_int == 401
    assert get(app, "/local", "t1").status_int == 401
    assert site.calls["userinfo"] == 4, "each time: live"
    del site.users["t1"]
    assert get(app, "/userinfo", "t1").status_int == 401


@pytest.mark.promise("GD-66")
def test_a_jwt_passes_the_local_check_first(site):
    raw = site.issuer.mint(sub="ada", scope="read", roles=["root"])
    site.users[raw] = {"sub": "ada"}
    app = build(site)
    assert get(app, "/userinfo", raw).json["principals"] == ["system.Authenticated", "system.Everyone", "user:ada"]
    site.users[raw] = {"sub": "eve"}
    assert get(app, "/userinfo", raw).status_int == 401
    calls = site.calls["userinfo"]
    for bad in (site.issuer.mint_expired(), site.issuer.mint_foreign(), site.issuer.mint(aud="x")):
        site.users[bad] = {"sub": "ada"}
        assert get(app, "/userinfo", bad).status_int == 401
    assert site.calls["userinfo"] == calls


@pytest.mark.promise("GD-66")
def test_where_remote_applies_too_both_must_pass(site):
    raw = site.issuer.mint_opaque(sub="ada", scope="read")
    app = build(site, token_check="remote", cache__inactive__expiration_time="0")
    assert get(app, "/remote", raw).status_int == 200
    assert get(app, "/userinfo", raw).status_int == 401, "userinfo does not know it"
    site.users[raw] = {"sub": "eve"}
    assert get(app, "/userinfo", raw).status_int == 401, "of another user"
    site.users[raw] = {"sub": "ada"}
    found = get(app, "/userinfo", raw).json
    assert (found["mode"], found["scopes"]) == ("remote", ["read"])
    site.issuer.revoke(raw)
    assert get(app, "/userinfo", raw).status_int == 401, "introspection calls it inactive"
    default = build(site, token_check="userinfo", cache__inactive__expiration_time="0")
    other = site.issuer.mint_opaque(sub="ada")
    assert get(default, "/remote", other).status_int == 401
    site.users[other] = {"sub": "ada"}
    assert get(default, "/remote", other).status_int == 200


@pytest.mark.slow
@pytest.mark.promise("GD-20", "GD-66")
@pytest.mark.parametrize(
    ("said", "status"),
    [
        ((401, b""), 401), ((403, b""), 401), ((500, b""), 503), ((404, b""), 503), ((429, b""), 503), ((302, b""), 503),
        ((200, b""), 503), ((200, b"[]"), 503), ((200, b"{}"), 503), ((200, b"<html>"), 503), ((200, b'{"sub": 7}'), 401),
        ((200, b'{"sub": ""}'), 401), ((200, b'{"sub": null}'), 401), ((200, b'{"name": "x"}'), 401),
        ((200, b'{"sub": "ada", "iss": "https://other.test"}'), 401), ((200, b"a.b.c"), 401),
        ((200, b'{"sub": "ada"}'), 200), ((400, b'{"error": "invalid_token"}'), 401), ((400, b""), 503),
        ((400, b'{"error": "invalid_request"}'), 503), ((400, b"<html>"), 503), ((400, b'["invalid_token"]'), 503),
        ((500, b'{"error": "invalid_token"}'), 503), ((400, b'{"error": ["invalid_token"]}'), 503),
    ],
    ids=str,
)  # fmt: skip
def test_what_the_endpoint_answers(site, said, status):
    site.said = said
    assert get(build(site), "/userinfo", "t1").status_int == status


def sign(site: Site, key: Any = None, **claims: Any) -> bytes:
    said = {"iss": site.issuer.identifier, "sub": "ada", "iat": int(time.time()), **claims}
    said = {name: value for name, value in said.items() if value is not ABSENT}
    return mint(said, key or site.issuer.signing_key, header={"typ": "JWT"}).encode()


@pytest.mark.promise("GD-66")
def test_a_signed_answer_is_verified(site):
    app = build(site)
    for body, status in [
        (sign(site), 200),
        (sign(site, iss="https://other.test"), 401),
        (sign(site, iss=ABSENT), 401),
        (sign(site, sub=ABSENT), 401),
        (sign(site, key=generate_key("RS256", kid=site.issuer.signing_key.kid)), 401),
        (sign(site)[:-6] + b"AAAAAA", 401),
    ]:
        site.said = (200, body)
        assert get(app, "/userinfo", "t1").status_int == status


@pytest.mark.slow
@pytest.mark.promise("GD-66")
def test_a_signed_answer_of_a_new_key_is_verified(site):
    """One with the name of the old key was refused for as long as the key set was kept."""
    app = build(site, keys__cooldown="0.1")
    site.said = (200, sign(site))
    assert get(app, "/userinfo", "t1").status_int == 200
    new = generate_key("RS256", kid=site.issuer.signing_key.kid)
    site.issuer.withdraw()
    site.issuer.publish(new.jwk)
    site.said = (200, sign(site, key=new))
    time.sleep(0.2)  # of cool-down
    assert get(app, "/userinfo", "t1").status_int == 200


@pytest.mark.promise("GD-18", "GD-66")
def test_answers_are_kept_as_those_of_introspection_and_not_mixed_with_them(site):
    app = build(site, cache__introspection__expiration_time="60")
    raw = site.issuer.mint_opaque(sub="ada")
    site.users[raw] = {"sub": "ada"}
    for _again in range(3):
        assert get(app, "/userinfo", raw).json["mode"] == "userinfo"
        assert get(app, "/remote", raw).json["mode"] == "remote"
    assert (site.calls["userinfo"], site.calls["introspection"]) == (1, 1)


@pytest.mark.promise("GD-66")
def test_what_it_needs(site):
    error = find_setting_error(lambda: build(site, any_client="false"))
    assert error.key == "oauthguard.userinfo.any_client"
    site.users["t1"] = {"sub": "ada"}
    assert get(build(site, client_id="web"), "/userinfo", "t1").status_int == 401, "its client is not known"
