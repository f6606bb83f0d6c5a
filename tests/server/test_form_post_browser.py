"""The browser posts an answer to a client on another origin, in Chromium: by script or button, and after reload and back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode

import pytest
from playwright.sync_api import Browser, Page

from pyramid_oauthguard.server.clients import MadeClient
from tests.guard.serving import serve
from tests.server.conftest import ISSUER, Build
from tests.server.flows import Flow, build_flow

pytestmark = [pytest.mark.slow, pytest.mark.needs("chromium"), pytest.mark.promise("AS-54")]

STATE = "\"'><script>document.title = 'ours'</script>" + "x" * 6000


class _Client(BaseHTTPRequestHandler):
    """Takes the answer, and sends the browser on to a page on a third origin."""

    def do_GET(self) -> None:
        self._answer(200, b"<title>Home</title>")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.posts.append((self.path, parse_qs(body), self.headers["Referer"]))  # type: ignore[attr-defined]
        self._answer(303, b"", Location=self.server.home)  # type: ignore[attr-defined]

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "text/html", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        pass


@contextmanager
def run_client() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Client)
    server.posts, server.home = [], f"http://localhost:{server.server_port}/home"  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


@dataclass
class Place:
    """A server, and a client on another origin; ``posts`` are what the client was sent."""

    flow: Flow
    url: str
    made: MadeClient
    public: str
    redirect_uri: str
    home: str
    posts: list[tuple[str, dict[str, list[str]], str | None]]

    def build_request(self, **changes: str) -> str:
        changes = {"redirect_uri": self.redirect_uri, "response_mode": "form_post", "state": STATE, **changes}
        return f"{self.url}/oauth/authorize?{urlencode(self.flow.ask(self.made, **changes))}"

    def redeem(self, code: str, **how: Any) -> Any:
        return self.flow.redeem(code, self.made, redirect_uri=self.redirect_uri, **how)

    def take_post(self) -> dict[str, str]:
        """The only answer that came since."""
        ((path, fields, referrer),) = self.posts
        self.posts.clear()
        assert (path, referrer) == ("/callback?tenant=1", None)
        assert all(len(values) == 1 for values in fields.values())
        answer = {name: values[0] for name, values in fields.items()}
        assert (answer["state"], answer["iss"]) == (STATE, ISSUER)
        return answer


@pytest.fixture
def place(build: Build) -> Iterator[Place]:
    flow = build_flow(build)
    with run_client() as client, serve(flow.server.app.app) as server:
        uri = f"http://127.0.0.1:{client.server_port}/callback?tenant=1"
        grants = ["authorization_code", "refresh_token"]
        made = flow.server.clients.create("Shop", redirect_uris=[uri], grants=grants, scopes=["read", "write"])
        public = flow.server.clients.create(
            "Page", public=True, redirect_uris=[uri], grants=grants, scopes=["read", "write"]
        ).client.client_id
        home, posts = client.home, client.posts  # type: ignore[attr-defined]
        yield Place(flow, f"http://127.0.0.1:{server.port}", made, public, uri, home, posts)


@contextmanager
def open_page(chromium: Browser, place: Place, **options: Any) -> Iterator[Page]:
    context = chromium.new_context(**options)
    context.add_cookies([{"name": "user", "value": "anna", "url": place.url}])
    page = context.new_page()
    page.refusals = []  # type: ignore[attr-defined]
    page.on("console", lambda said: page.refusals.append(said.text))  # type: ignore[attr-defined]
    yield page
    context.close()


def decide(page: Page, decision: str) -> None:
    page.press(f"button[value={decision}]", "Enter")


def test_the_answer_is_posted_without_a_click(chromium: Browser, place: Place) -> None:
    with open_page(chromium, place) as page:
        page.goto(place.build_request())
        decide(page, "allow")
        page.wait_for_url(place.home)
        assert page.refusals == []  # type: ignore[attr-defined]
        code = place.take_post()["code"]
        assert place.redeem(code)["access_token"]
        assert place.redeem(code, status=400)["error"] == "invalid_grant"

        page.goto(place.build_request(scope="nonsense"))
        page.wait_for_url(place.home)
        assert place.take_post()["error"] == "invalid_scope"


def test_without_script_the_button_posts_it(chromium: Browser, place: Place) -> None:
    with open_page(chromium, place, java_script_enabled=False) as page:
        page.goto(place.build_request())
        decide(page, "allow")
        page.wait_for_selector("form[name=answer]")
        page.reload()  # the browser repeats the decision
        page.press("button[type=submit]", "Enter")
        page.wait_for_url(place.home)
        code = place.take_post()["code"]
        assert place.redeem(code)["access_token"]
        assert place.redeem(code, status=400)["error"] == "invalid_grant"


def test_the_way_back_leads_past_the_form(chromium: Browser, place: Place) -> None:
    with open_page(chromium, place) as page:
        page.goto(f"{place.url}/oauth/applications")
        page.goto(place.build_request(client_id=place.public))
        decide(page, "deny")
        page.wait_for_url(place.home)
        assert place.take_post()["error"] == "access_denied"
        page.reload()
        assert page.url == place.home
        page.go_back()
        assert page.locator("button[value=allow]").count() == 1
        page.go_back()
        assert page.url == f"{place.url}/oauth/applications"
        assert place.posts == []
