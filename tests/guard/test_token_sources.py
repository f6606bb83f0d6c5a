"""Tokens in cookies and in headers of proxies: only where the settings say so, and never without CSRF protection."""

from __future__ import annotations

from typing import Any

import pytest
from pyramid.csrf import CookieCSRFStoragePolicy
from pyramid.request import Request
from webtest import TestApp

from pyramid_oauthguard.guard import csrf_callback
from pyramid_oauthguard.guard.settings import parse_settings
from pyramid_oauthguard.testing import ABSENT, MemoryIssuer
from tests.documentation import find_blocks, read_page
from tests.guard.guarding import add, build_app, find_setting_error
from tests.guard.test_real_issuers import tell

COOKIE = "cookie:access_token"
PROXY = "header:X-Forwarded-Access-Token"
HEADERS = ["X-Forwarded-Access-Token", "Cf-Access-Jwt-Assertion", "X-Amzn-Oidc-Accesstoken", "X-Goog-IAP-JWT-Assertion"]


@pytest.fixture
def issuer():
    return MemoryIssuer(algorithm="Ed25519")


def build(issuer: MemoryIssuer, source: str = "header", **settings: str) -> TestApp:
    def configure(config: Any) -> None:
        config.set_csrf_storage_policy(CookieCSRFStoragePolicy())
        config.set_default_csrf_options(require_csrf=True, callback=csrf_callback)
        add(config, "/me", token_check="local")
        add(config, "/who", tell, token_check="local")
        add(config, "/pay", token_check="local", request_method="POST")

    given = {"oauthguard.token_source": source, "oauthguard.trusted_proxies": "10.0.0.0/24 127.0.0.1"}
    given |= {f"oauthguard.{name.replace('__', '.')}": value for name, value in settings.items()}
    app = build_app(configure, issuer, settings=given)
    app.extra_environ["REMOTE_ADDR"] = "127.0.0.1"
    return app


def get(app: TestApp, path: str = "/me", sender: str = "127.0.0.1", **headers: str) -> Any:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return app.get(path, headers=given, extra_environ={"REMOTE_ADDR": sender}, status="*")


@pytest.mark.promise("GD-65")
@pytest.mark.parametrize("name", HEADERS)
def test_the_header_of_a_proxy(issuer, name):
    raw, key = issuer.mint(), name.replace("-", "_")
    app = build(issuer, f"header:{name}")
    for _again in range(3):  # from the second time on it is remembered
        assert get(app, **{key: raw}).status_int == 200
        assert get(app, sender="192.0.2.9", **{key: raw}).status_int == 401
        assert get(app, sender="10.0.0.7", **{key: raw}).status_int == 200
        assert get(app, sender="", **{key: raw}).status_int == 401
        assert get(build(issuer), **{key: raw}).status_int == 401
        assert get(app, Authorization=f"Bearer {raw}").status_int == 401, "it is no source here"


@pytest.mark.promise("GD-65")
def test_the_header_of_a_proxy_may_have_the_scheme_before_the_token(issuer):
    """Proxies of Google move the caller's Authorization header as it is; it was answered with 400."""
    raw, app = issuer.mint(), build(issuer, "header:X-Forwarded-Authorization")
    for text in (f"Bearer {raw}", f"bearer  {raw}", raw):
        assert get(app, X_Forwarded_Authorization=text).status_int == 200
    assert get(app, sender="192.0.2.9", X_Forwarded_Authorization=f"Bearer {raw}").status_int == 401
    assert get(app, X_Forwarded_Authorization="Bearer x").status_int == 401
    for text in (f"Basic {raw}", f"Bearer Bearer {raw}", f"Bearer {raw} {raw}", f"Bearer {raw}, Bearer {raw}"):
        assert get(app, X_Forwarded_Authorization=text).status_int == 400
    assert get(build(issuer, COOKIE), Cookie=f"access_token=Bearer {raw}").status_int == 400


@pytest.mark.promise("GD-65")
@pytest.mark.parametrize(
    ("proxies", "trusted", "others"),
    [
        ("10.0.0.0/24", ["10.0.0.7", "::ffff:10.0.0.7"], ["::ffff:10.0.1.7", "::10.0.0.7", "", "localhost", "x"]),
        ("::ffff:10.0.0.0/120 fd00::/8", ["10.0.0.7", "::ffff:10.0.0.7", "fd00::7"], ["10.0.1.7", "fe00::7"]),
        ("::/0", ["fd00::7"], ["10.0.0.7", "::ffff:10.0.0.7", ""]),
        ("unix", ["", "localhost"], ["10.0.0.7", "unix", "127.0.0.1", "::1"]),
        ("127.0.0.0/8", ["127.0.0.1"], ["", "localhost", "unix"]),
    ],
)
def test_the_address_of_the_proxy(issuer, proxies, trusted, others):
    """A socket of IPv6 reports IPv4 addresses as mapped ones, and a Unix socket reports none."""
    app, raw = build(issuer, PROXY, trusted_proxies=proxies), issuer.mint()
    key = PROXY.removeprefix("header:").replace("-", "_")
    assert [get(app, sender=each, **{key: raw}).status_int for each in trusted] == [200] * len(trusted)
    assert [get(app, sender=each, **{key: raw}).status_int for each in others] == [401] * len(others)


@pytest.mark.parametrize(
    ("number", "claims", "principals"),
    [
        (0, {"type": "app", "email": "ada@example.com", "sub": "7335d417", "identity_nonce": "n"}, ["user:7335d417"]),
        (0, {"type": "app", "common_name": "job.access", "sub": ""}, ["client:job.access"]),
        (1, {"sub": "accounts.google.com:1", "email": "ada@example.com"}, ["user:accounts.google.com:1"]),
    ],
)
def test_the_settings_of_the_page(number, claims, principals):
    blocks = find_blocks(read_page("how-to/guard/token-sources"), "ini")
    (block,) = [each for each in blocks if each.startswith(("# Cloudflare", "# Google")[number])]
    lines = [line.split(" = ") for line in block.splitlines() if not line.startswith("#")]
    own = {key.removeprefix("oauthguard.").replace(".", "__"): value for key, value in lines}
    proxy = MemoryIssuer(own.pop("issuer"), audience=own.pop("audience"), algorithm="ES256")
    source = ("Cf-Access-Jwt-Assertion", "X-Goog-IAP-JWT-Assertion")[number]
    app = build(proxy, f"header:{source}", **own)
    kept = {"scope": ABSENT, "client_id": ABSENT, "jti": ABSENT, **claims}
    answer = get(app, "/who", **{source.replace("-", "_"): proxy.mint(kept)})
    assert [each for each in answer.json if not each.startswith("system.")] == principals


@pytest.mark.promise("GD-26")
def test_the_log_says_why_a_token_was_not_read(issuer, caplog):
    app, raw = build(issuer, PROXY), issuer.mint()
    key = PROXY.removeprefix("header:").replace("-", "_")
    for _again in range(3):
        get(app, sender="192.0.2.9", **{key: raw})
    (line,) = [each for each in caplog.messages if "no access token was read" in each]
    assert "came from 192.0.2.9, which is not one of oauthguard.trusted_proxies" in line
    caplog.clear()
    get(build(issuer, PROXY), Authorization=f"Bearer {raw}")
    (line,) = [each for each in caplog.messages if "no access token was read" in each]
    assert line.endswith("the Authorization header is not one of oauthguard.token_source")
    assert not any(part in caplog.text for part in raw.split("."))


@pytest.mark.promise("GD-65")
def test_a_cookie(issuer):
    raw = issuer.mint()
    app = build(issuer, COOKIE)
    for _again in range(3):
        assert get(app, Cookie=f"a=b; access_token={raw}").status_int == 200
        assert get(app, Cookie=f'access_token="{raw}"').status_int == 200
        assert get(app, Cookie=f"Access_Token={raw}").status_int == 401
        assert get(app, Cookie="access_token=").status_int == 401
        assert get(build(issuer), Cookie=f"access_token={raw}").status_int == 401
    assert get(app, f"/me?access_token={raw}").status_int == 401
    assert get(app, Cookie="access_token=a b").status_int == 400
    assert get(app, Cookie="access_token=x").status_int == 401


@pytest.mark.promise("GD-65")
def test_two_credentials_are_a_bad_request(issuer):
    raw = issuer.mint()
    app = build(issuer, f"header {COOKIE} {PROXY}")
    one = [{"Authorization": f"Bearer {raw}"}, {"Cookie": f"access_token={raw}"}, {"X_Forwarded_Access_Token": raw}]
    for given in one:
        assert get(app, **given).status_int == 200
    for number in range(3):
        assert get(app, **{**one[number], **one[number - 1]}).status_int == 400
    assert get(app, Cookie=f"access_token={raw}; access_token={raw}").status_int == 400
    assert get(app, X_Forwarded_Access_Token=f"{raw}, {raw}").status_int == 400
    assert get(app, sender="192.0.2.9", **{**one[0], **one[2]}).status_int == 200, (
        "what a stranger adds is not looked at"
    )


@pytest.mark.promise("GD-31", "GD-65")
def test_a_source_belongs_to_its_issuer():
    """The token of one issuer, in the place of another one: refused, also where it was accepted before."""
    first, second = MemoryIssuer("https://a.test"), MemoryIssuer("https://b.test")

    def configure(config: Any) -> None:
        config.set_default_csrf_options(require_csrf=True, callback=csrf_callback)
        add(config, "/me", token_check="local")

    settings = {
        "oauthguard.issuers": "b", "oauthguard.issuers.b.issuer": "https://b.test", "oauthguard.issuers.b.scopes": "any",
        "oauthguard.issuers.b.token_source": COOKIE,
    }  # fmt: skip
    app = build_app(configure, first, settings=settings)
    from pyramid_oauthguard.testing import trust

    trust(app.app, second)
    mine, theirs = first.mint(), second.mint()
    for _again in range(3):
        assert get(app, Authorization=f"Bearer {mine}").status_int == 200
        assert get(app, Cookie=f"access_token={theirs}").status_int == 200
        assert get(app, Authorization=f"Bearer {theirs}").status_int == 401
        assert get(app, Cookie=f"access_token={mine}").status_int == 401


@pytest.mark.promise("GD-65")
def test_vary_names_every_place_that_was_looked_at(issuer):
    app = build(issuer, f"header {COOKIE} {PROXY}")
    for answer in (get(app), get(app, Cookie=f"access_token={issuer.mint()}")):
        assert answer.headers["Vary"] == "Authorization, Cookie, X-Forwarded-Access-Token"
    assert get(build(issuer)).headers["Vary"] == "Authorization"


# ── CSRF ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def post(app: TestApp, **headers: str) -> int:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return app.post("/pay", headers=given, status="*").status_int


@pytest.mark.promise("GD-32")
def test_only_a_token_in_authorization_needs_no_csrf_token(issuer):
    raw = issuer.mint()
    app = build(issuer, f"header {COOKIE} {PROXY}")
    assert post(app, Authorization=f"Bearer {raw}") == 200
    assert post(app, Cookie=f"access_token={raw}") == 400
    assert post(app, Cookie=f"access_token={raw}", Origin="https://evil.example") == 400
    assert post(app, X_Forwarded_Access_Token=raw) == 400
    token = {"Cookie": f"access_token={raw}; csrf_token=abc", "X_CSRF_Token": "abc"}
    assert post(app, **token) == 200
    assert post(build(issuer, COOKIE), Cookie=f"access_token={raw}", Authorization="Bearer x") == 400


@pytest.mark.promise("GD-32")
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "https://evil.example"}, 200),
        ({"Cookie": "session=1"}, 200),
        ({"Cookie": "session=1", "Origin": "http://localhost"}, 200),
        ({"Cookie": "session=1", "Sec_Fetch_Site": "same-origin"}, 200),
        ({"Cookie": "session=1", "Origin": "https://evil.example"}, 400),
        ({"Cookie": "session=1", "Origin": "null"}, 400),
        ({"Cookie": "session=1", "Origin": "http://localhost:81"}, 400),
        ({"Cookie": "session=1", "Origin": "https://localhost"}, 400),
        ({"Cookie": "session=1", "Sec_Fetch_Site": "cross-site"}, 400),
    ],
    ids=str,
)
def test_a_page_of_another_origin_with_a_cookie_is_never_exempt(issuer, headers, status):
    """A proxy may have made the header of the cookie."""
    assert post(build(issuer), Authorization=f"Bearer {issuer.mint()}", **headers) == status


@pytest.mark.promise("GD-32")
def test_a_proxy_that_writes_authorization(issuer):
    app = build(issuer, csrf__bearer_exempt="off")
    raw = issuer.mint()
    assert post(app, Authorization=f"Bearer {raw}") == 400
    assert post(app, Authorization=f"Bearer {raw}", Cookie="csrf_token=abc", X_CSRF_Token="abc") == 200


@pytest.mark.promise("GD-32")
@pytest.mark.parametrize("source", [COOKIE, PROXY, f"header {COOKIE}"])
@pytest.mark.parametrize("required", [None, False])
def test_without_csrf_protection_by_default_the_application_does_not_start(issuer, source, required):
    def configure(config: Any) -> None:
        if required is not None:
            config.set_default_csrf_options(require_csrf=required)

    settings = {"oauthguard.token_source": source, "oauthguard.trusted_proxies": "127.0.0.1"}
    error = find_setting_error(lambda: build_app(configure, issuer, settings=settings))
    assert error.key == "oauthguard.token_source"
    assert "set_default_csrf_options" in error.hint


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"token_source": "query:access_token"}, "token_source"),
        ({"token_source": "cookie:"}, "token_source"),
        ({"token_source": "cookie"}, "token_source"),
        ({"token_source": "header header"}, "token_source"),
        ({"token_source": "header:Authorization"}, "token_source"),
        ({"token_source": "header:Cookie"}, "token_source"),
        ({"token_source": "header:X-Amzn-Oidc-Data", "trusted_proxies": "10.0.0.1"}, "token_source"),
        ({"token_source": "header:X Y"}, "token_source"),
        ({"token_source": PROXY}, "trusted_proxies"),
        ({"trusted_proxies": "proxy.test"}, "trusted_proxies"),
        ({"trusted_proxies": "10.0.0.1/24"}, "trusted_proxies"),
        ({"token_source": COOKIE, "cors_origins": "https://app.test"}, "cors_origins"),
    ],
)
def test_sources_that_cannot_be_meant(settings, key):
    given = {"oauthguard.issuer": "https://a.test", "oauthguard.audience": "a"}
    error = find_setting_error(
        lambda: parse_settings(given | {f"oauthguard.{name}": text for name, text in settings.items()})
    )
    assert error.key == f"oauthguard.{key}"


@pytest.mark.promise("GD-32")
def test_the_callback_works_without_a_guard():
    """As an application may call it in its tests."""
    from pyramid import testing

    with testing.testConfig() as config:
        request = Request.blank("/", headers={"Authorization": "Bearer x"})
        request.registry = config.registry
        assert not csrf_callback(request)
        request.headers["Cookie"] = "a=b"
        request.headers["Origin"] = "https://evil.example"
        assert csrf_callback(request)
