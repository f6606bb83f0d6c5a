"""Browsers: preflights of guarded views, for the origins that the application lists, and never with cookies."""

from __future__ import annotations

from typing import Any

import pytest
from pyramid.config import Configurator
from pyramid.request import Request
from webtest import TestApp

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
