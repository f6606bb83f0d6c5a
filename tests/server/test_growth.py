"""Whatever text a request holds, twice as much of it costs at most three times the CPU time."""

from __future__ import annotations

import base64
from functools import partial

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pyramid.request import Request
from webob.cookies import RequestCookies

from pyramid_oauthguard.server.request_headers import (
    MAX_CONTENT_TYPE_CHARACTERS,
    MAX_COOKIE_CHARACTERS,
    HeaderTooLongError,
    check_headers,
)
from tests.growing import assert_linear
from tests.server.flows import build_flow

pytestmark = pytest.mark.slow

FORM = "application/x-www-form-urlencoded"
#: Half of what a Cookie header may have.
COOKIES = MAX_COOKIE_CHARACTERS // 2

TEXTS = {
    "letters": lambda n: "a" * n,
    "blanks": lambda n: "a" + " " * n + "b",
    "leading blanks": lambda n: " " * n + "b",
    "letters and blanks": lambda n: "a" * (n // 2) + " " * (n // 2),
    "commas": lambda n: "a," * (n // 2),
    "semicolons": lambda n: ";" * n,
    "open quote": lambda n: f'a; b="{";" * n}',
    "open quotes": lambda n: 'a="' * (n // 3),
    "escaped quotes": lambda n: 'a="' + '\\"' * (n // 2),
    "backslashes": lambda n: "a=" + "\\" * n,
    "equals signs": lambda n: "=" * n,
    "pairs": lambda n: "a=b; " * (n // 5),
    "percent signs": lambda n: "%" * n,
    "percent codes": lambda n: "%41" * (n // 3),
    "dots": lambda n: "a." * (n // 2),
    "slashes": lambda n: "/" * n,
    "languages": lambda n: "en;q=0.1," * (n // 9),
    "ampersands": lambda n: "a&" * (n // 2),
    "date": lambda n: "a=Mon, 1-Jan-2024 " * (n // 18),
}
ENDPOINTS = [
    ("GET", "/oauth/authorize"),
    ("POST", "/oauth/authorize"),
    ("POST", "/oauth/token"),
    ("POST", "/oauth/introspect"),
    ("POST", "/oauth/device"),
    ("GET", "/oauth/device"),
    ("GET", "/oauth/applications"),
    ("GET", "/oauth/jwks"),
    ("GET", "/oauth/pages.css"),
]
HEADERS = ["Cookie", "Accept-Language", "Authorization", "Origin", "X-Request-Id", "If-None-Match", "Range"]


@pytest.fixture(scope="module")
def flow(tmp_path_factory):
    from tests.server import conftest

    with pytest.MonkeyPatch.context() as monkeypatch:
        make = conftest.build.__wrapped__(tmp_path_factory.mktemp("growth"), monkeypatch)
        yield build_flow(next(make))
        next(make, None)


def send(app, method, path, **parts):
    request = Request.blank(path, method=method, **parts)
    request.remote_addr = "192.0.2.1"
    response = request.get_response(app)
    assert response.body is not None  # read to its end, and closed
    assert response.status_int < 500
    return response


# ── headers ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("header", HEADERS)
def test_a_header_costs_linear_time_at_every_endpoint(flow, header, text):
    app = flow.server.app.app
    size = COOKIES - 10 if header == "Cookie" else 16_000

    def run(value):
        for method, path in ENDPOINTS:
            send(
                app,
                method,
                path,
                headers={"Content-Type": FORM, header: value} if method == "POST" else {header: value},
            )

    assert_linear(TEXTS[text], run, size=size)


@pytest.mark.parametrize("text", TEXTS)
def test_the_cookies_of_a_signed_in_user_cost_linear_time(flow, text):
    def run(value):
        assert send(flow.server.app.app, "GET", "/oauth/applications", headers={"Cookie": value}).status_int == 200

    assert_linear(lambda n: "user=anna; " + TEXTS[text](n), run, size=COOKIES - 20)


@pytest.mark.parametrize(
    "begin", ["multipart/form-data; boundary=", f"{FORM}; charset=", f'{FORM}; b="', "multipart/form-data; a="]
)
@pytest.mark.parametrize("text", TEXTS)
def test_a_content_type_costs_linear_time(flow, text, begin):
    app = flow.server.app.app

    def run(value):
        for path in ("/oauth/device", "/oauth/authorize", "/oauth/token"):
            send(app, "POST", path, headers={"Content-Type": value}, body=b"a=b")

    assert_linear(lambda n: begin + TEXTS[text](n), run, size=16_000)


# ── queries and bodies ───────────────────────────────────────────────────────────────────────────────────────────

FIELDS = ["", "scope=", "user_code=", "ticket=", "_LOCALE_="]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("name", FIELDS)
def test_a_query_costs_linear_time(flow, name, text):
    app = flow.server.app.app

    def run(value):
        for path in ("/oauth/authorize", "/oauth/device"):
            send(app, "GET", path, environ={"QUERY_STRING": value}, headers={"Cookie": "user=anna"})

    assert_linear(lambda n: name + TEXTS[text](n), run, size=16_000)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("name", FIELDS)
def test_a_body_costs_linear_time(flow, name, text):
    app = flow.server.app.app

    def run(value):
        for path in ("/oauth/authorize", "/oauth/device", "/oauth/token", "/oauth/revoke"):
            send(app, "POST", path, body=value.encode(), headers={"Cookie": "user=anna", "Content-Type": FORM})

    assert_linear(lambda n: name + TEXTS[text](n), run, size=24_000)


@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/introspect", "/oauth/revoke"])
@pytest.mark.parametrize("name", ["scope", "resource", "token", "token_type_hint"])
def test_a_parameter_of_a_known_client_costs_linear_time(flow, name, path):
    server = flow.server
    headers = {"Content-Type": FORM, **server.basic(server.api if path.endswith("introspect") else server.program)}
    for text in ("letters", "dots", "percent codes", "blanks"):
        run = partial(send, server.app.app, "POST", path, headers=headers)
        start = "grant_type=client_credentials&" if path.endswith("token") else ""
        write = TEXTS[text]
        assert_linear(
            lambda n, write=write, start=start: f"{start}{name}={write(n)}".replace(" ", "+").encode(),
            lambda body, run=run: run(body=body),
            size=24_000,
        )


PARTS = {
    "parameters": lambda n: f'--a\r\nContent-Disposition: form-data; name="x{";" * n}\r\n\r\nx\r\n--a--',
    "headers": lambda n: "--a\r\n" + "a: b\r\n" * (n // 6) + "\r\nx\r\n--a--",
    "folded": lambda n: "--a\r\n" + "x: y\r\n " * (n // 7) + "\r\n\r\nx\r\n--a--",
    "boundaries": lambda n: "--a\r\n" * (n // 5),
    "lines": lambda n: "\r\n" * (n // 2),
}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("path", ["/oauth/authorize", "/oauth/device"])
def test_a_body_of_parts_costs_linear_time(flow, path, part):
    """The page that refuses it has its language negotiated, which looks into the body."""
    headers = {"Content-Type": "multipart/form-data; boundary=a", "Cookie": "user=anna"}
    run = partial(send, flow.server.app.app, "POST", path, headers=headers)
    assert_linear(lambda n: PARTS[part](n).encode(), lambda body: run(body=body), size=24_000)


@pytest.mark.parametrize("text", TEXTS)
def test_basic_credentials_cost_linear_time(flow, text):
    def write(n):
        return "Basic " + base64.b64encode(f"{TEXTS[text](n // 2)}:{TEXTS[text](n // 2)}".encode()).decode()

    run = partial(send, flow.server.app.app, "POST", "/oauth/token", body=b"grant_type=client_credentials")
    assert_linear(write, lambda value: run(headers={"Content-Type": FORM, "Authorization": value}), size=16_000)


# ── what is refused, and what is left of the cookies ─────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", ["/oauth/applications", "/oauth/authorize", "/oauth/jwks"])
def test_a_cookie_header_longer_than_any_is_refused_clearly(flow, path):
    answer = send(flow.server.app.app, "GET", path, headers={"Cookie": "a=" + "b" * MAX_COOKIE_CHARACTERS})
    assert answer.status_int == 431
    assert "Cookie header" in answer.json["error_description"]


def test_a_content_type_longer_than_any_is_refused_clearly(flow):
    kind = FORM + "; a=" + "b" * MAX_CONTENT_TYPE_CHARACTERS
    answer = send(flow.server.app.app, "POST", "/oauth/token", headers={"Content-Type": kind}, body=b"a=b")
    assert answer.status_int == 400
    assert "content type" in answer.json["error_description"]


@pytest.mark.parametrize("cookie", ['x="\\377"', 'x="\xff"', "x=\\377", 'x="\\303"; user=anna'])
def test_a_cookie_that_is_not_utf_8_is_left_out(flow, cookie):
    """WebOb raises UnicodeDecodeError at any look for any cookie."""
    for path in ("/oauth/applications", "/oauth/device"):
        assert send(flow.server.app.app, "GET", path, headers={"Cookie": f"{cookie}; user=anna"}).status_int == 200


def read(header):
    return dict(RequestCookies({"HTTP_COOKIE": header}).items())


words = st.sampled_from(
    ["a", "user", "=", "==", " = ", "; ", ";", ",", '"', '\\"', "\\303\\251", "\\", "\t", "Mon, 01-Jan-2024 10:00:00 GMT", "\xe9", "{}", "$Path"]
)  # fmt: skip


@given(st.lists(words | st.text(st.characters(codec="latin-1"), max_size=3), max_size=12).map("".join))
@example('user="anna b"; other=x')
@example('a="\\303\\251\\"; b="; c=d')
@example("a=Mon, 01-Jan-2024 10:00:00 GMTb=c")
@example('= = "a=b"; c=d')
def test_what_is_left_of_the_cookies_is_what_webob_reads(header):
    try:
        expected = read(header)
    except UnicodeDecodeError:
        expected = None
    environ = {"HTTP_COOKIE": header}
    check_headers(environ)
    assert read(environ["HTTP_COOKIE"]) == (read(environ["HTTP_COOKIE"]) if expected is None else expected)
    again = dict(environ)
    check_headers(again)
    assert again == environ


def test_headers_at_their_bounds_are_taken():
    check_headers({"HTTP_COOKIE": "a" * MAX_COOKIE_CHARACTERS, "CONTENT_TYPE": "a" * MAX_CONTENT_TYPE_CHARACTERS})
    for name, length in (("HTTP_COOKIE", MAX_COOKIE_CHARACTERS), ("CONTENT_TYPE", MAX_CONTENT_TYPE_CHARACTERS)):
        with pytest.raises(HeaderTooLongError):
            check_headers({name: "a" * (length + 1)})


@pytest.mark.parametrize("text", ["letters", "letters and blanks", "dots"])
def test_a_cookie_header_at_an_address_that_can_not_be_read_cost_quadratic_time(flow, text):
    """No route is found for it, so that nothing had looked at its headers; its page looked for a language in the cookies."""
    run = partial(send, flow.server.app.app, "GET", "/%ff")
    assert_linear(
        lambda n: {"Accept": "text/html", "Cookie": TEXTS[text](n)}, lambda headers: run(headers=headers), size=40_000
    )
