"""Browsers: preflights of guarded views, for the origins that the application lists, and never with cookies."""

from __future__ import annotations

from typing import Any

import pytest
from pyramid.config import Configurator
from pyramid.request import Request
from webtest import TestApp

from pyramid_oauthguard.guard import csrf_callback
from pyramid_oauthguard.guard.settings import parse_settings
from pyramid_oauthguard.testing import MemoryIssuer
from tests.guard.guarding import add, answer, ask, build_app, find_setting_error

ORIGIN = "https://inspector.example"
SENT = "authorization,content-type,dpop,mcp-protocol-version,mcp-method,mcp-name,traceparent,last-event-id"


def configure(config: Configurator) -> None:
    add(config, "/any", token_check="local")
    add(config, "/post", request_method="POST", token_require="write")
    add(config, "/acl", request_method="POST", permission="read")
    config.add_route("by_method", "/by-method", request_method="POST")
    config.add_view(answer("x"), route_name="by_method", token_check="local")
    add(config, "/open", answer("open"), request_method="POST")


def build(origins: str | None = ORIGIN, **options: Any) -> TestApp:
    settings = {} if origins is None else {"oauthguard.cors_origins": origins}
    return build_app(options.pop("configure", configure), settings=settings, **options)


def ask_first(app: TestApp, path: str, origin: str = ORIGIN, method: str = "POST", names: str = SENT) -> Any:
    asked = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": names}
    return ask(app, path, method="OPTIONS", Origin=origin, **asked)


@pytest.mark.parametrize("path", ["/any", "/post", "/acl", "/by-method"])
def test_a_preflight_allows_what_clients_send(path):
    found = ask_first(build(), path)
    assert (found.status_int, found.body) == (204, b"")
    assert found.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert found.headers["Access-Control-Allow-Methods"] == "POST"
    assert set(SENT.split(",")) <= set(found.headers["Access-Control-Allow-Headers"].split(","))
    assert "Origin" in found.headers["Vary"]


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "https://inspector.example.evil", ORIGIN.upper(), ""]
)
@pytest.mark.parametrize("path", ["/any", "/post"])
def test_a_page_of_another_origin_is_not_allowed(path, origin):
    found = ask_first(build(), path, origin)
    assert [name for name in found.headers if name.startswith("Access-Control-")] == []
    assert "Origin" in found.headers["Vary"]
    read = ask(build(), path, method="POST", Origin=origin)
    assert [name for name in read.headers if name.startswith("Access-Control-")] == []


@pytest.mark.parametrize("path", ["/open", "/nowhere"])
def test_what_is_not_guarded_is_not_answered(path):
    assert ask_first(build(), path).status_int == 404


@pytest.mark.parametrize("names", ["a\r\nSet-Cookie: b", "a" * 65, "ü", ",".join("a" for _ in range(40))])
def test_strange_names_of_headers_are_not_repeated(names):
    found = ask_first(build(), "/post", names=names.replace("\r\n", " "))
    assert found.headers["Access-Control-Allow-Headers"] == "Authorization"


@pytest.mark.parametrize("path", ["/post", "/any"])
def test_a_page_can_read_answers_and_refusals(path):
    issuer = MemoryIssuer()
    app = build(issuer=issuer)
    for raw in None, "bad", issuer.mint(scope="read"), issuer.mint(scope="write"):
        found = ask(app, path, raw, method="POST", Origin=ORIGIN)
        assert found.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert "WWW-Authenticate" in found.headers["Access-Control-Expose-Headers"]
        assert "Origin" in found.headers["Vary"]
        assert "Authorization" in ", ".join(found.headers.getall("Vary"))


def test_no_answer_allows_credentials():
    app = build()
    for found in ask_first(app, "/post"), ask(app, "/any", Origin=ORIGIN):
        assert "Access-Control-Allow-Credentials" not in found.headers


def test_without_the_setting_a_preflight_stays_empty():
    found = ask_first(build(None), "/any")
    assert (found.status_int, [name for name in found.headers if name.startswith(("Access", "Vary"))]) == (204, [])
    assert ask_first(build(None), "/post").status_int == 404


@pytest.mark.parametrize(
    "value", ["*", "https://a.example/", "a.example", "https://A.example", "https://a.example:443", "null"]
)
def test_what_is_not_an_origin_stops_start_up(value):
    assert find_setting_error(lambda: build(value)).key == "oauthguard.cors_origins"


def test_an_address_that_is_not_utf_8_is_not_a_500():
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    request = Request.blank("/", method="OPTIONS", headers=asked, environ={"PATH_INFO": "/\xff"})
    assert request.get_response(build().app).status_int == 400


# Never where a cookie is a source: for every issuer and every resource.

PLAIN = {"issuer": "https://a.test", "audience": "https://api.test"}
ONE = {"issuers": "b", "issuers.b.issuer": "https://b.test", "issuers.b.scopes": "any", "audience": "https://api.test"}
TENANTS = {**ONE, "issuers.b.issuer": "https://b.test/{tid}", "issuers.b.issuer_values": "t1 t2"}
TWO = {**ONE, "issuers": "b c", "issuers.c.issuer": "https://c.test", "issuers.c.scopes": "any"}
#: The settings, and where each issuer has its sources.
LAYOUTS = {
    "a plain issuer": (PLAIN, ["token_source"]),
    "a plain and a named issuer": ({**PLAIN, **ONE}, ["token_source", "issuers.b.token_source"]),
    "a named issuer": (ONE, ["issuers.b.token_source"]),
    "a template": (TENANTS, ["issuers.b.token_source"]),
    "two named issuers": (TWO, ["issuers.b.token_source", "issuers.c.token_source"]),
}
WITH_COOKIE = ["cookie:t", "header cookie:t", "cookie:t header", "header:X-T cookie:t", "cookie:t header:X-T header"]


def parse(layout: dict[str, str], key: str, source: str, origins: str) -> Any:
    given = {**layout, key: source, "cors_origins": origins, "trusted_proxies": "10.0.0.5"}
    return parse_settings({f"oauthguard.{name}": value for name, value in given.items()})


@pytest.mark.promise("GD-32")
@pytest.mark.parametrize("source", WITH_COOKIE)
@pytest.mark.parametrize(
    ("layout", "key"), [(name, key) for name, (_settings, keys) in LAYOUTS.items() for key in keys]
)
def test_origins_and_a_cookie_stop_start_up_whichever_issuer_has_it(layout, key, source):
    settings, _keys = LAYOUTS[layout]
    error = find_setting_error(lambda: parse(settings, key, source, ORIGIN))
    assert error.key == "oauthguard.cors_origins"
    assert f"oauthguard.{key}" in str(error)
    assert "remove one of them" in (error.hint or "")
    assert parse(settings, key, source, "").cors_origins == (), "each of them alone is allowed"


@pytest.mark.parametrize("source", ["header", "header:X-T", "header header:X-T"])
@pytest.mark.parametrize(
    ("layout", "key"), [(name, key) for name, (_settings, keys) in LAYOUTS.items() for key in keys]
)
def test_origins_may_be_listed_where_no_cookie_is_a_source(layout, key, source):
    settings, _keys = LAYOUTS[layout]
    assert parse(settings, key, source, ORIGIN).cors_origins == (ORIGIN,)


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name != "a plain issuer"])
def test_origins_are_of_the_application_and_not_of_an_issuer(layout):
    settings, _keys = LAYOUTS[layout]
    error = find_setting_error(lambda: parse(settings, "issuers.b.cors_origins", ORIGIN, ""))
    assert error.key == "oauthguard.issuers.b.cors_origins"


@pytest.mark.promise("GD-32")
@pytest.mark.parametrize("source", ["cookie:t", "header cookie:t"])
@pytest.mark.parametrize("resources", [(), ("/mcp",), ("/mcp", "/api/v2")])
def test_an_application_with_resources_does_not_start_with_both(source, resources):
    def configure_resources(config: Configurator) -> None:
        config.set_default_csrf_options(require_csrf=True, callback=csrf_callback)
        for path in resources:
            config.add_protected_resource(path, f"https://api.test{path}")
            add(config, f"{path}/x", token_check="local")
        configure(config)

    both = {"oauthguard.cors_origins": ORIGIN, "oauthguard.token_source": source}
    error = find_setting_error(lambda: build_app(configure_resources, settings=both))
    assert error.key == "oauthguard.cors_origins"
    for name, value in both.items():
        assert build_app(configure_resources, settings={name: value})


def test_a_page_of_a_listed_origin_reads_nothing_that_a_cookie_opens():
    """Neither by a token in a cookie, which is no source, nor by credentials, which no answer allows."""
    issuer = MemoryIssuer()
    found = ask(build(issuer=issuer), "/any", Origin=ORIGIN, Cookie=f"access_token={issuer.mint()}")
    assert found.status_int == 401
    assert "Access-Control-Allow-Credentials" not in found.headers
