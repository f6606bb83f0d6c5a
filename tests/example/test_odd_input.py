"""No request makes a 500, whatever bytes it is made of."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from webob import Request
from webtest import TestApp as App

pytestmark = pytest.mark.slow

FORM = "application/x-www-form-urlencoded"
MANY = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
FEW = settings(MANY, max_examples=60)  # each one hashes a password

texts = st.text(st.characters(), max_size=300)  # lone surrogates and NUL are in it
numbers = st.one_of(
    st.integers(-(10**40), 10**40),
    st.floats(),
    st.sampled_from([10**400, -(10**4299), 2**63, -(2**63) - 1]),
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=20,
)
good_names = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=210)
good_amounts = st.decimals("0.01", 10**13, places=2).map(str)
names = st.one_of(good_names, texts, values)
amounts = st.one_of(good_amounts, good_amounts.map(float), values)
objects = st.one_of(
    st.fixed_dictionaries({"name": names}, optional={"balance": amounts}),
    st.fixed_dictionaries({"amount": amounts}),
    st.dictionaries(st.one_of(st.sampled_from(["name", "balance", "amount"]), texts), values, max_size=5),
).map(lambda value: json.dumps(value).encode())
literals = st.sampled_from(
    [
        b"1e999",
        b"-1e999999999",
        b"1e99999999999999999999999",
        b"NaN",
        b"Infinity",
        b"9" * 5000,
        b"0." + b"0" * 60_000,
        b"1" + b"0" * 60_000,
        b'"\\ud800"',
        b'"\\u0000"',
    ]
)
broken = st.one_of(
    st.binary(max_size=300),
    literals,
    literals.map(lambda literal: b'{"amount":' + literal + b"}"),
    literals.map(lambda literal: b'{"name":"x","balance":' + literal + b"}"),
    st.integers(1, 30_000).map(lambda depth: b'{"amount":' + b"[" * depth + b"]" * depth + b"}"),
)
headers = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=60)
content_types = st.one_of(
    st.sampled_from(
        ["", "application/json; charset=utf-7", 'a/b; x="', ";", "multipart/form-data", f"{FORM}; charset=\xff"]
    ),
    headers,
)
methods = st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW", "get", "CONNECT"])
known_paths = st.sampled_from(
    ["/", "/customers", "/customers/1", "/customers/1/charges", "/customers/1/charges/1", "/api/public", "/api/private"]
)
segments = st.one_of(
    st.sampled_from(
        ["customers", "charges", "api", "1", "0", "-1", "9" * 18, "9" * 19, "9" * 5000, "sign-in", "static"]
    ),
    st.sampled_from(["..", "%2e", "\xff", "\xd9\xa3", "\0", "example.css", "private-scoped"]),
    st.text(st.characters(max_codepoint=255), max_size=10),
)
paths = st.one_of(known_paths, st.lists(segments, max_size=5).map(lambda parts: "/" + "/".join(parts)))
queries = st.one_of(
    st.just(""),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=60),
    st.sampled_from(["limit=%ff", "after=" + "9" * 40, "limit=1&limit=2", "%00=%00", "next=%ff", "next=//evil"]),
)


def send(app: App, method: str, path: str, query: str, body: bytes, **environ: str) -> Any:
    request = Request.blank("/", environ={"REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": query})
    request.body = body
    request.environ.update(environ)
    return request.get_response(app.app)


@MANY
@given(body=st.one_of(objects, broken), path=st.sampled_from(["/customers", "/customers/1/charges"]))
def test_no_body_makes_a_500(app: App, own_bearer: dict[str, str], body: bytes, path: str) -> None:
    environ = {"HTTP_AUTHORIZATION": own_bearer["Authorization"], "CONTENT_TYPE": "application/json"}
    answer = send(app, "POST", path, "", body, **environ)
    assert answer.status_int in {201, 400, 413, 422}
    if answer.status_int != 201:
        assert answer.content_type == "application/problem+json"
        assert json.loads(answer.body)["status"] == answer.status_int


@pytest.mark.promise("GD-14")
@MANY
@given(
    method=methods,
    path=paths,
    query=queries,
    body=st.one_of(st.just(b""), objects, broken),
    content_type=st.one_of(st.just("application/json"), content_types),
    origin=headers,
    authorization=st.one_of(st.none(), headers),
    cookie=headers,
)
def test_no_request_makes_a_500(
    app: App,
    own_bearer: dict[str, str],
    method: str,
    path: str,
    query: str,
    body: bytes,
    content_type: str,
    origin: str,
    authorization: str | None,
    cookie: str,
) -> None:
    environ = {"HTTP_ORIGIN": origin, "HTTP_COOKIE": cookie, "CONTENT_TYPE": content_type}
    environ["HTTP_AUTHORIZATION"] = own_bearer["Authorization"] if authorization is None else authorization
    assert send(app, method, path, query, body, **environ).status_int < 500


@MANY
@given(raw=st.binary(max_size=100), content_type=st.one_of(st.just(FORM), content_types), cookie=headers)
def test_no_form_makes_a_500(app: App, raw: bytes, content_type: str, cookie: str) -> None:
    for path in ("/sign-in", "/sign-out"):
        answer = send(app, "POST", path, "", raw, CONTENT_TYPE=content_type, HTTP_COOKIE=cookie)
        assert answer.status_int in {303, 400, 415}


@FEW
@given(
    name=st.one_of(st.just("demo"), texts),
    password=st.one_of(st.just("demo"), texts),
    target=st.one_of(texts, queries),
    more=st.dictionaries(st.one_of(st.just("csrf_token"), texts), texts, max_size=2),
)
def test_no_name_and_no_password_makes_a_500(
    app: App, name: str, password: str, target: str, more: dict[str, str]
) -> None:
    browser = App(app.app)
    token = browser.get("/sign-in").form["csrf_token"].value
    fields = [*more.items(), ("csrf_token", token), ("name", name), ("password", password), ("next", target)]
    body = urlencode(fields, errors="surrogatepass").encode()
    cookie = f"session={browser.cookies['session']}"
    answer = send(app, "POST", "/sign-in", "", body, CONTENT_TYPE=FORM, HTTP_COOKIE=cookie)
    assert answer.status_int in {303, 400, 422}
    if answer.status_int == 303:
        assert (name, password) == ("demo", "demo")
        assert answer.headers["Location"].startswith("http://localhost/")


@pytest.mark.parametrize("length", ["abc", "-5", "", "99999999999999999999999", "１"])
def test_a_length_that_lies_makes_no_500(app: App, own_bearer: dict[str, str], length: str) -> None:
    environ = {
        "HTTP_AUTHORIZATION": own_bearer["Authorization"],
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": length,
    }
    assert send(app, "POST", "/customers", "", b'{"name": "x"}', **environ).status_int in {201, 400, 413}


def test_thousands_of_parameters_cost_no_seconds(api: App, bearer: dict[str, str]) -> None:
    """WebOb's dictionary of a query is looked through from end to end for each of its names."""
    query = "&".join(f"a{number}=1" for number in range(15_000))
    began = time.thread_time()
    answer = api.get(f"/customers?{query}", headers=bearer, status=400)
    assert time.thread_time() - began < 0.5
    assert answer.json["errors"][0]["field"] == "query"


@pytest.mark.parametrize("end", ["%0A", "%0A%0A", "%0D", "%0A/"])
def test_no_page_answers_at_an_address_that_goes_on(app: App, own_bearer: dict[str, str], end: str) -> None:
    """Pyramid ends a route's pattern with `$`, which matches before a line feed."""
    pages = [
        "/",
        "/sign-in",
        "/static/example.css",
        "/oauth/device",
        "/customers",
        "/customers/1",
        "/api/public",
        "/api/private",
    ]
    for path in pages:
        assert app.get(path, headers=own_bearer, status="*").status_int in {200, 303}, path
        assert app.get(path + end, headers=own_bearer, status="*").status_int == 404, path
    for path in ("/sign-in", "/sign-out", "/customers", "/customers/1/charges", "/oauth/token"):
        assert app.post(path + end, headers=own_bearer, status="*").status_int == 404, path
