"""No request makes a 500, whatever bytes it is made of."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from webob import Request
from webtest import TestApp as App

MANY = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])

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
names = st.one_of(st.sampled_from(["name", "balance", "amount"]), texts)
objects = st.dictionaries(names, values, max_size=5).map(lambda value: json.dumps(value).encode())
literals = st.sampled_from(
    [b"1e999", b"-1e999999999", b"NaN", b"Infinity", b"9" * 5000, b"0." + b"0" * 60_000, b"1" + b"0" * 60_000]
)
broken = st.one_of(
    st.binary(max_size=300),
    literals,
    literals.map(lambda literal: b'{"amount":' + literal + b"}"),
    st.integers(1, 30_000).map(lambda depth: b'{"amount":' + b"[" * depth + b"]" * depth + b"}"),
)
content_types = st.one_of(
    st.just("application/json"),
    st.sampled_from(
        [
            "",
            "application/json; charset=utf-7",
            'a/b; x="',
            ";",
            "multipart/form-data",
            "application/x-www-form-urlencoded; charset=\xff",
        ]
    ),
    st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=30),
)
methods = st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW", "get", "CONNECT"])
segments = st.one_of(
    st.sampled_from(
        [
            "customers",
            "charges",
            "api",
            "public",
            "private",
            "private-scoped",
            "1",
            "0",
            "-1",
            "9" * 18,
            "9" * 19,
            "9" * 5000,
            "sign-in",
            "sign-out",
            "static",
            "example.css",
            "..",
            "%2e",
            "\xff",
            "\xd9\xa3",
            "\0",
        ]
    ),
    st.text(st.characters(max_codepoint=255), max_size=10),
)
paths = st.lists(segments, max_size=5).map(lambda parts: "/" + "/".join(parts))
queries = st.one_of(
    st.just(""),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=60),
    st.sampled_from(["limit=%ff", "after=" + "9" * 40, "limit=1&limit=2", "%00=%00", "next=%ff", "next=//evil"]),
)
headers = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=60)


def send(app: App, method: str, path: str, query: str, body: bytes, **environ: str) -> Any:
    request = Request.blank("/", environ={"REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": query})
    request.body = body
    request.environ.update(environ)
    return request.get_response(app.app)


@MANY
@given(
    body=st.one_of(objects, broken),
    path=st.sampled_from(["/customers", "/customers/1/charges"]),
    content_type=content_types,
)
def test_no_body_makes_a_500(app: App, own_bearer: dict[str, str], body: bytes, path: str, content_type: str) -> None:
    answer = send(
        app, "POST", path, "", body, HTTP_AUTHORIZATION=own_bearer["Authorization"], CONTENT_TYPE=content_type
    )
    assert answer.status_int in {201, 400, 413, 415, 422}
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
    origin=headers,
    authorization=headers,
    cookie=headers,
)
def test_no_request_makes_a_500(
    app: App, method: str, path: str, query: str, body: bytes, origin: str, authorization: str, cookie: str
) -> None:
    answer = send(
        app, method, path, query, body, HTTP_ORIGIN=origin, HTTP_AUTHORIZATION=authorization, HTTP_COOKIE=cookie
    )
    assert answer.status_int < 500


@MANY
@given(
    fields=st.dictionaries(
        st.one_of(st.sampled_from(["name", "password", "next", "csrf_token"]), texts), texts, max_size=5
    ),
    raw=st.binary(max_size=100),
    content_type=content_types,
)
def test_no_form_makes_a_500(app: App, fields: dict[str, str], raw: bytes, content_type: str) -> None:
    encoded = "&".join(f"{name}={value}" for name, value in fields.items()).encode("utf-8", "surrogatepass")
    form = "application/x-www-form-urlencoded"
    for path in ("/sign-in", "/sign-out"):
        for body, each in ((encoded, form), (raw, form), (raw, content_type)):
            assert send(app, "POST", path, "", body, CONTENT_TYPE=each).status_int < 500


@pytest.mark.parametrize("length", ["abc", "-5", "", "99999999999999999999999", "１"])
def test_a_length_that_lies_makes_no_500(app: App, own_bearer: dict[str, str], length: str) -> None:
    environ = {
        "HTTP_AUTHORIZATION": own_bearer["Authorization"],
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": length,
    }
    assert send(app, "POST", "/customers", "", b'{"name": "x"}', **environ).status_int in {201, 400, 413}
