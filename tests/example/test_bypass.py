"""Ways around the limits of Swagger UI and the tour that were tried; each was closed, or was closed already."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from webtest import TestApp as App

from example_app import main
from pyramid_oauthguard.errors import SettingError
from tests.example.conftest import build_settings, dispose
from tests.example.servers import find_free_port, serve
from tests.example.test_sign_in import submit

pytestmark = pytest.mark.slow

ASKED = {
    "response_type": "code",
    "client_id": "customer-docs",
    "code_challenge": "x" * 43,
    "code_challenge_method": "S256",
    "state": "s",
}
ELSEWHERE = "http://evil.invalid/openapi.json"


@pytest.mark.promise("EX-01")
def test_another_port_of_127_0_0_1_gets_no_code_of_swagger_ui(tmp_path: Path) -> None:
    """The authorization server lets programs on 127.0.0.1 choose their port: this client is a page, and has one."""
    issuer = "http://127.0.0.1:6543"
    made = main({}, **build_settings(tmp_path, **{"oauthguard.issuer": issuer, "oauthguard.server.issuer": issuer}))
    browser = App(made)
    submit(browser)
    for uri in ("http://127.0.0.1:9999/docs/oauth2-redirect", "http://127.0.0.1/docs/oauth2-redirect"):
        answer = browser.get("/oauth/authorize", {**ASKED, "redirect_uri": uri}, status=303)
        assert parse_qs(urlsplit(answer.headers["Location"]).query)["error"] == ["access_denied"]
    page = browser.get("/oauth/authorize", {**ASKED, "redirect_uri": f"{issuer}/docs/oauth2-redirect"}, status=200)
    assert "Allow this application?" in page.text
    cli = {**ASKED, "client_id": "customer-cli", "redirect_uri": "http://127.0.0.1:9999/callback"}
    assert browser.get("/oauth/authorize", cli).status_int == 200, "a program may choose its port"
    dispose(made)


@pytest.mark.promise("EX-02")
@pytest.mark.parametrize(
    "issuer",
    [
        "http://0.0.0.0:6543",
        "http://[::]:6543",
        "http://[::ffff:8.8.8.8]",
        "http://127.0.0.1.nip.example",
        "http://foo.localhost",
        "http://localhost.",
        "http://localhost%2eevil.example",
        "http://localhost\\@evil.example",
        "http://localhost#@evil.example",
        "http://evil.example#localhost",
        "http://localhost\n.evil.example",
        "http://2130706433",
        "http://127.1",
        "http://0177.0.0.1",
        "//localhost",
        "http:///localhost",
        "http://\u24dbocalhost",
        "http://{tenant}.localhost",
    ],
    ids=ascii,
)
def test_the_demo_stops_the_start_with_addresses_that_look_like_this_machine(tmp_path: Path, issuer: str) -> None:
    for key in ("oauthguard.issuer", "oauthguard.server.issuer", "oauthguard.issuers.more.issuer"):
        with pytest.raises(SettingError, match=r"example.demo: .*issuer"):
            main({}, **build_settings(tmp_path, **{key: issuer}))


@pytest.mark.promise("EX-01")
@pytest.mark.parametrize("demo", ["false", "no", "0", "off", None])
def test_without_the_demo_nothing_names_client_credentials_or_a_secret(tmp_path: Path, demo: str | None) -> None:
    settings = {**build_settings(tmp_path), "example.demo": demo}
    made = main({}, **{key: value for key, value in settings.items() if value is not None})
    app = App(made)
    for path, query in itertools.product(("/", "/docs", "/openapi.json"), ("", "?demo=true", "?example.demo=true")):
        text = app.get(path + query, headers={"X-Example-Demo": "true", "Cookie": "demo=true"}).text
        assert "clientCredentials" not in text
        assert "customer-manager-secret" not in text
    assert app.get("/tour/token", status=404)
    assert app.post("/tour/token", status=404)
    dispose(made)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve("development.ini", tmp_path_factory.mktemp("bypass"), ports={"6543": find_free_port()}) as server:
        yield server.url


@pytest.mark.promise("EX-01")
@pytest.mark.needs("chromium")
@pytest.mark.parametrize(
    "query",
    [
        f"?url={ELSEWHERE}",
        f"?configUrl={ELSEWHERE}",
        f"?config={ELSEWHERE}",
        f"?urls.primaryName=x&urls={ELSEWHERE}",
        f"?queryConfigEnabled=true&url={ELSEWHERE}",
        f"?oauth2RedirectUrl={ELSEWHERE}&persistAuthorization=true&validatorUrl={ELSEWHERE}",
        f"?spec=%7B%22openapi%22:%223.0.0%22,%22servers%22:[%7B%22url%22:%22{ELSEWHERE}%22%7D]%7D",
        f"#url={ELSEWHERE}",
        "#/%3Cimg%20src=x%20onerror=document.title=1%3E",
    ],
)
def test_no_address_changes_the_settings_of_swagger_ui(chromium: Any, address: str, query: str) -> None:
    context = chromium.new_context()
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda each: asked.append(each.url))
    page.goto(f"{address}/docs{query}")
    page.wait_for_selector(".opblock")
    assert "Customers" in page.inner_text(".info .title")
    assert {urlsplit(url).netloc for url in asked if not url.startswith("data:")} == {urlsplit(address).netloc}
    assert page.evaluate("Object.keys(localStorage).length") == 0
    assert page.title() != "1"
    context.close()


@pytest.mark.promise("EX-01")
@pytest.mark.needs("chromium")
def test_no_script_of_a_page_is_inline_and_none_can_be_added(chromium: Any, address: str) -> None:
    context = chromium.new_context()
    page = context.new_page()
    for path in ("/", "/docs", "/docs/oauth2-redirect?code=x&state=y", "/sign-in", "/nothing"):
        page.goto(address + path)
        assert page.evaluate("[...document.scripts].every(each => each.src.startsWith(location.origin))")
        page.evaluate(
            "() => { const one = document.createElement('script'); one.textContent = 'window.ran = 1';"
            " document.body.append(one); const two = document.createElement('img'); two.src = 'x';"
            " two.setAttribute('onerror', 'window.ran = 1'); document.body.append(two); }"
        )
        page.wait_for_timeout(50)
        assert page.evaluate("window.ran") is None, path
    context.close()


@pytest.mark.promise("EX-01")
@pytest.mark.needs("chromium")
def test_the_page_to_which_users_come_back_hands_nothing_to_a_page_that_did_not_ask(
    chromium: Any, address: str
) -> None:
    context = chromium.new_context()
    opener = context.new_page()
    opener.goto(address)
    opener.evaluate(
        "() => { window.got = []; window.swaggerUIRedirectOauth2 = {auth: {name: 'x'}, state: 'mine',"
        " callback: found => window.got.push(found.auth.code), errCb: () => {}} }"
    )
    for query in ("code=c&state=other", "code=c", "code=c&state=", "code=c&state=mine2", "state=mine"):
        with opener.expect_popup() as opened:
            opener.evaluate("address => { window.open(address) }", f"{address}/docs/oauth2-redirect?{query}")
        opened.value.wait_for_event("close") if not opened.value.is_closed() else None
    assert opener.evaluate("window.got") == []
    context.close()
