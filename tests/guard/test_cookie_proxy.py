"""A proxy makes the Authorization header of a cookie, and a page of another origin posts a form through it, in Chromium."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from pyramid.csrf import CookieCSRFStoragePolicy, get_csrf_token
from pyramid.request import Request
from pyramid.response import Response

from pyramid_oauthguard.guard import csrf_callback
from pyramid_oauthguard.testing import MemoryIssuer
from tests.documentation import find_blocks, read_page
from tests.guard.guarding import add, build_app
from tests.guard.serving import serve

pytestmark = [pytest.mark.slow, pytest.mark.needs("chromium"), pytest.mark.promise("GD-32")]

FORM = '<form method="post" action="{action}"><input name="csrf_token" value="{token}"><button>Pay</button></form>'


class CookieProxy:
    """Sends each request on, with the token of the cookie `session` as a bearer token.

    :param hides_cookies: whether the application gets no Cookie header.
    """

    def __init__(self, port: int, *, hides_cookies: bool) -> None:
        self._port = port
        self._hides_cookies = hides_cookies

    def __call__(self, environ: Any, start_response: Callable[..., Any]) -> Iterable[bytes]:
        request = Request(environ)
        headers = {name: value for name, value in request.headers.items() if name.lower() != "connection"}
        cookie = SimpleCookie(headers.get("Cookie", "")).get("session")
        if cookie is not None:
            headers["Authorization"] = f"Bearer {cookie.value}"
        if self._hides_cookies:
            headers.pop("Cookie", None)
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        connection.request(request.method, request.path_qs, request.body, headers)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        own = {"connection", "transfer-encoding", "content-length", "date", "server"}
        start_response(
            f"{answer.status} {answer.reason}", [each for each in answer.getheaders() if each[0].lower() not in own]
        )
        return [body]


@dataclass
class Bank:
    """The application behind its proxy. `paid` has what the view got."""

    paid: list[str]
    origin: str
    issuer: MemoryIssuer

    def open(self, chromium: Browser) -> Page:
        """A page of a user who is signed in at the bank."""
        context = chromium.new_context()
        page = context.new_page()
        page.goto(f"{self.origin}/in")
        return page

    def post(self, page: Page) -> int:
        """The status of the answer to the form of the page."""
        with page.expect_response(f"{self.origin}/pay") as answered:
            page.click("button")
        return answered.value.status


@contextmanager
def run_bank(*, hides_cookies: bool = False, **settings: str) -> Iterator[Bank]:
    issuer, paid = MemoryIssuer(algorithm="Ed25519"), []

    def pay(request: Any) -> dict[str, Any]:
        paid.append(request.access_token.subject)
        return {}

    def sign_in(request: Any) -> Response:
        response = Response("signed in")
        # A browser sends it with forms of every page, as long as it takes this host for trustworthy without TLS.
        response.set_cookie("session", issuer.mint(sub="ada"), secure=True, httponly=True, samesite="None")
        return response

    def show(request: Any) -> Response:
        return Response(FORM.format(action="/pay", token=get_csrf_token(request)), content_type="text/html")

    def configure(config: Any) -> None:
        config.set_csrf_storage_policy(CookieCSRFStoragePolicy())
        config.set_default_csrf_options(require_csrf=True, callback=csrf_callback)
        add(config, "/", show)
        add(config, "/in", sign_in)
        add(config, "/pay", pay, token_check="local", request_method="POST")

    app = build_app(configure, issuer, settings=settings)
    with serve(app.app) as upstream, serve(CookieProxy(upstream.port, hides_cookies=hides_cookies)) as proxy:
        yield Bank(paid, f"http://localhost:{proxy.port}", issuer)


@contextmanager
def run_evil(bank: Bank, host: str) -> Iterator[str]:
    """The address of a page of another origin with a form for the bank."""

    def show(_environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/html")])
        return [FORM.format(action=f"{bank.origin}/pay", token="guessed").encode()]

    with serve(show) as server:
        yield f"http://{host}:{server.port}/"


def read_setting() -> dict[str, str]:
    """What the page says for a proxy that writes Authorization."""
    page = read_page("how-to/guard/token-sources")
    (block,) = [each for each in find_blocks(page, "ini") if "csrf.bearer_exempt" in each]
    key, value = block.strip().split(" = ")
    return {key: value}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"], ids=["of another site", "of the same site"])
@pytest.mark.parametrize("hides_cookies", [False, True], ids=["cookies pass", "cookies hidden"])
def test_a_form_of_another_origin_is_refused_with_the_setting_of_the_page(chromium, host, hides_cookies):
    with run_bank(hides_cookies=hides_cookies, **read_setting()) as bank, run_evil(bank, host) as evil:
        page = bank.open(chromium)
        page.goto(evil)
        assert bank.post(page) == 400
        page.context.close()
    assert bank.paid == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"], ids=["of another site", "of the same site"])
def test_without_the_setting_it_is_refused_where_the_cookie_is_seen(chromium, host):
    with run_bank() as bank, run_evil(bank, host) as evil:
        page = bank.open(chromium)
        page.goto(evil)
        assert bank.post(page) == 400
        page.context.close()
    assert bank.paid == []


def test_the_form_of_the_bank_works_with_its_token(chromium):
    with run_bank(**read_setting()) as bank:
        page = bank.open(chromium)
        page.goto(bank.origin)
        assert bank.post(page) == 200
        page.context.close()
    assert bank.paid == ["ada"]


def test_the_setting_is_needed_where_the_proxy_hides_the_cookie(chromium):
    """Nothing then tells the request from one of a script with a token of its own."""
    with run_bank(hides_cookies=True) as bank, run_evil(bank, "127.0.0.1") as evil:
        page = bank.open(chromium)
        page.goto(evil)
        assert bank.post(page) == 200
        page.context.close()
    assert bank.paid == ["ada"]
