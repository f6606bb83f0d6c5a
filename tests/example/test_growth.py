"""The example's pages: twice as much text costs at most three times the CPU time, and long headers are refused clearly."""

from __future__ import annotations

import pytest
from pyramid.request import Request

from tests.growing import assert_linear

pytestmark = pytest.mark.slow

COOKIES = {
    "letters": lambda n: "a" * n,
    "letters and blanks": lambda n: "a" * (n // 2) + " " * (n // 2),
    "dots": lambda n: "a." * (n // 2),
    "pairs": lambda n: "a=b; " * (n // 5),
    "open quotes": lambda n: 'a="' * (n // 3),
    "words": lambda n: "a=b," + "c" * n,
}
PAGES = ["/", "/sign-in", "/oauth/device", "/oauth/applications", "/customers", "/nowhere"]


def ask(app, path, cookie):
    response = Request.blank(path, headers={"Cookie": cookie}).get_response(app.app)
    assert response.body is not None
    return response


@pytest.mark.parametrize("text", COOKIES)
def test_a_cookie_header_costs_linear_time(app, text):
    def run(cookie):
        for path in PAGES:
            assert ask(app, path, cookie).status_int < 500

    assert_linear(COOKIES[text], run, size=8_000)


@pytest.mark.parametrize("path", ["/", "/sign-in", "/oauth/device"])
def test_a_cookie_header_that_is_too_long_is_refused_clearly(app, path):
    response = ask(app, path, "a=" + "b" * 20_000)
    assert response.status_int == 431
    assert "Cookie" in response.text


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("cookie", ['session="\\377"', 'a="\xff"', "session=\\377", 'session="\\303'])
def test_a_cookie_that_is_not_utf_8_is_no_error_of_ours(app, path, cookie):
    assert ask(app, path, cookie).status_int < 500


LANGUAGES = {
    "one tag": lambda n: "xx" + "-ab" * (n // 3),
    "tags": lambda n: "xx," * (n // 3),
    "tags that are refused": lambda n: "xx," * (n // 6) + "xy;q=0," * (n // 14),
}


@pytest.mark.parametrize("text", LANGUAGES)
def test_the_languages_of_a_browser_cost_quadratic_time(app, text):
    def run(languages):
        for path in ("/", "/sign-in", "/docs", "/nowhere"):
            headers = {"Accept": "text/html", "Accept-Language": languages}
            assert Request.blank(path, headers=headers).get_response(app.app).status_int < 500

    assert_linear(LANGUAGES[text], run, size=60_000)
