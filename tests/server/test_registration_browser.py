"""A page on another origin registers, gets a code, redeems, refreshes and revokes, in Chromium; other pages can read nothing."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import ThreadingMixIn
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
from playwright.sync_api import Browser

from tests.server.conftest import Build
from tests.server.flows import CHALLENGE, VERIFIER, build_flow
from tests.server.self_registered import OPEN

pytestmark = [pytest.mark.slow, pytest.mark.needs("chromium")]

#: Sends a request as a page does, and says what the page can read.
FETCH = """
async ([url, method, form, json, headers]) => {
  const body = json ? JSON.stringify(json) : form ? new URLSearchParams(form) : undefined;
  const sent = {...(json ? {"Content-Type": "application/json"} : {}), ...headers};
  try {
    const answer = await fetch(url, {method, body, headers: sent, credentials: "omit"});
    return {status: answer.status, text: await answer.text()};
  } catch (error) {
    return {blocked: String(error)};
  }
}
"""


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<title>A page</title>")

    def log_message(self, *_args: object) -> None:
        pass


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_args: object) -> None:
        pass


@contextmanager
def run(server: Any) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def call(page: Any, url: str, method: str = "POST", *, form: Any = None, members: Any = None, **headers: str) -> Any:
    found = page.evaluate(FETCH, [url, method, form, members, headers])
    return {**found, "json": json.loads(found["text"])} if found.get("text") else found


@pytest.mark.promise("AS-13")
def test_a_page_on_another_origin_completes_the_whole_flow(build: Build, chromium: Browser) -> None:
    flow = build_flow(build, OPEN)
    http = make_server("127.0.0.1", 0, flow.server.app.app, server_class=_Server, handler_class=_Quiet)
    with (
        run(http) as port,
        run(ThreadingHTTPServer(("localhost", 0), _Page)) as site,
        run(ThreadingHTTPServer(("localhost", 0), _Page)) as other_site,
    ):
        base, home, other = f"http://127.0.0.1:{port}", f"http://localhost:{site}", f"http://localhost:{other_site}"
        context = chromium.new_context()
        context.add_cookies([{"name": "user", "value": "anna", "url": base}])
        page, stranger = context.new_page(), context.new_page()
        page.goto(f"{home}/")
        stranger.goto(f"{other}/")

        metadata = call(page, f"{base}/.well-known/oauth-authorization-server", "GET", **{"MCP-Protocol-Version": "1"})
        assert metadata["json"]["registration_endpoint"].endswith("/oauth/register")
        wrong = call(page, f"{base}/oauth/register", members={"redirect_uris": []})
        assert wrong["json"]["error"] == "invalid_redirect_uri"
        said = {"redirect_uris": [f"{home}/callback"], "token_endpoint_auth_method": "none"}
        said["grant_types"] = ["authorization_code", "refresh_token"]
        client = call(page, f"{base}/oauth/register", members=said, **{"MCP-Protocol-Version": "1"})["json"]

        query = {
            "response_type": "code",
            "client_id": client["client_id"],
            "redirect_uri": f"{home}/callback",
            "scope": "read",
            "state": "s",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        page.goto(f"{base}/oauth/authorize?{urlencode(query)}")
        page.click("button[value=allow]")
        page.wait_for_url(f"{home}/callback?*")
        code = parse_qs(urlsplit(page.url).query)["code"][0]

        who = {"client_id": client["client_id"]}
        redeem = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER, **who}
        redeem["redirect_uri"] = f"{home}/callback"
        assert "blocked" in call(stranger, f"{base}/oauth/token", form=redeem), (
            "a page of another site, with a stolen code"
        )
        tokens = call(page, f"{base}/oauth/token", form=redeem, **{"MCP-Protocol-Version": "1"})["json"]
        refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], **who}
        newer = call(page, f"{base}/oauth/token", form=refresh)["json"]
        assert flow.is_active(newer["access_token"])
        assert call(page, f"{base}/oauth/revoke", form={"token": newer["refresh_token"], **who})["status"] == 200
        assert not flow.is_active(newer["access_token"])
        failed = call(page, f"{base}/oauth/token", form={**refresh, "refresh_token": "x"})
        assert failed["json"]["error"] == "invalid_grant", "errors can be read"

        own = client["registration_client_uri"].replace("http://localhost:6543", base)
        bearer = {"Authorization": f"Bearer {client['registration_access_token']}"}
        assert call(page, own, "GET", **bearer)["json"]["client_id"] == client["client_id"]
        for path in ("/oauth/authorize", "/oauth/applications", "/oauth/introspect"):
            for each in (page, stranger):
                assert "blocked" in call(each, f"{base}{path}", "GET"), path
        context.close()
