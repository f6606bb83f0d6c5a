"""The customers API: what it takes, what it answers, and how it says no."""

from __future__ import annotations

import json
from typing import Any

import pytest
from webtest import TestApp as App
from webtest import TestResponse

PROBLEM = "application/problem+json"
Headers = dict[str, str]


def check_problem(answer: TestResponse, *fields: str) -> dict[str, Any]:
    """The problem document (RFC 9457) of an answer; it names exactly these fields."""
    assert answer.content_type == PROBLEM
    problem: dict[str, Any] = answer.json
    assert problem["status"] == answer.status_int
    assert problem["title"]
    assert problem["detail"]
    assert [error["field"] for error in problem.get("errors", [])] == list(fields)
    return problem


def post(api: App, path: str, body: bytes, headers: Headers, content_type: str = "application/json") -> TestResponse:
    return api.post(path, body, headers={**headers, "Content-Type": content_type}, status="*")


@pytest.mark.slow
def test_a_customer_is_created_listed_and_shown(api: App, bearer: Headers) -> None:
    made = api.post_json("/customers", {"name": " Mary Shelley ", "balance": "3.5"}, headers=bearer, status=201)
    assert made.json["name"] == "Mary Shelley"
    assert made.json["balance"] == "3.50"
    assert made.headers["Location"] == f"http://localhost/customers/{made.json['id']}"
    assert api.get(made.headers["Location"], headers=bearer).json == made.json
    assert made.json in api.get("/customers", headers=bearer).json["customers"]


def test_the_demo_customers_are_there(api: App, bearer: Headers) -> None:
    customers = api.get("/customers?limit=2", headers=bearer).json["customers"]
    assert [customer["id"] for customer in customers] == [1, 2]


def test_a_charge_changes_the_balance(api: App, bearer: Headers) -> None:
    customer = api.post_json("/customers", {"name": "A", "balance": "0.20"}, headers=bearer).json
    made = api.post_json(f"/customers/{customer['id']}/charges", {"amount": "0.10"}, headers=bearer, status=201)
    assert made.json == {"id": made.json["id"], "customer": customer["id"], "amount": "0.10", "balance": "0.30"}
    shown = api.get(made.headers["Location"], headers=bearer).json
    assert shown == {"id": made.json["id"], "customer": customer["id"], "amount": "0.10"}
    assert api.get(f"/customers/{customer['id']}", headers=bearer).json["balance"] == "0.30"


def test_numbers_of_a_body_are_exact(api: App, bearer: Headers) -> None:
    body = b'{"name": "B", "balance": 999999999999.99}'
    assert post(api, "/customers", body, bearer).json["balance"] == "999999999999.99"
    assert post(api, "/customers", b'{"name": "B", "balance": -0.07}', bearer).json["balance"] == "-0.07"


def test_a_charge_over_the_limit_changes_nothing(api: App, bearer: Headers) -> None:
    full = api.post_json("/customers", {"name": "C", "balance": "999999999999.98"}, headers=bearer).json["id"]
    answer = api.post_json(f"/customers/{full}/charges", {"amount": "0.02"}, headers=bearer, status=422)
    check_problem(answer, "amount")
    assert api.get(f"/customers/{full}", headers=bearer).json["balance"] == "999999999999.98"
    api.post_json(f"/customers/{full}/charges", {"amount": "0.01"}, headers=bearer, status=201)


def test_pages_follow_each_other_to_the_end(api: App, bearer: Headers) -> None:
    for number in range(5):
        api.post_json("/customers", {"name": f"Page {number}"}, headers=bearer)
    ids, address = [], "/customers?limit=2"
    while address:
        page = api.get(address, headers=bearer).json
        assert 1 <= len(page["customers"]) <= 2
        ids += [customer["id"] for customer in page["customers"]]
        address = page["next"]
    assert len(ids) >= 7
    assert ids == sorted(set(ids))


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=-1", "limit"),
        ("limit=ten", "limit"),
        ("limit=%D9%A3", "limit"),
        ("after=9223372036854775808", "after"),
        ("after=" + "9" * 5000, "after"),
        ("page=2", "page"),
        ("limit=%ff", "query"),
    ],
)
def test_a_wrong_parameter_is_named(api: App, bearer: Headers, query: str, field: str) -> None:
    check_problem(api.get(f"/customers?{query}", headers=bearer, status=400), field)


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["name"]),
        ({"name": ""}, ["name"]),
        ({"name": "   "}, ["name"]),
        ({"name": None}, ["name"]),
        ({"name": 5}, ["name"]),
        ({"name": ["x"]}, ["name"]),
        ({"name": "x" * 201}, ["name"]),
        ({"name": "nul \0 byte"}, ["name"]),
        ({"name": "half \ud800 a pair"}, ["name"]),
        ({"name": "two\nlines"}, ["name"]),
        ({"name": "x", "balance": "1.001"}, ["balance"]),
        ({"name": "x", "balance": "much"}, ["balance"]),
        ({"name": "x", "balance": None}, ["balance"]),
        ({"name": "x", "balance": True}, ["balance"]),
        ({"name": "x", "id": 7}, ["id"]),
        ({"name": "x", "\ud800": 7}, ["\ud800"]),
        ({"balance": {}, "colour": 1}, ["balance", "colour", "name"]),
    ],
)
def test_a_wrong_field_of_a_customer_is_named(api: App, bearer: Headers, body: Any, fields: list[str]) -> None:
    answer = post(api, "/customers", json.dumps(body).encode(), bearer)
    assert answer.status_int == 422
    check_problem(answer, *fields)


@pytest.mark.parametrize(
    "amount",
    [
        b"0",
        b"-1",
        b'"0.00"',
        b"0.001",
        b"1e999",
        b"1E400",
        b"1e-400",
        b"9" * 5000,
        b"null",
        b"true",
        b"[]",
        b'"12,50"',
        b'""',
    ],
)
def test_a_wrong_amount_is_named(api: App, bearer: Headers, amount: bytes) -> None:
    answer = post(api, "/customers/1/charges", b'{"amount": ' + amount + b"}", bearer)
    assert answer.status_int == 422
    check_problem(answer, "amount")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"null",
        b"7",
        b"NaN",
        b'{"amount": NaN}',
        b'{"amount": -Infinity}',
        b'{"amount": 1, "amount": 2}',
        b'{"amount": "\xff"}',
        b'\xef\xbb\xbf{"amount": 1}',
        '{"amount": 1}'.encode("utf-16"),
        b"[" * 60_000,
        b'{"a":' * 10_000,
        b"\0",
    ],
)
def test_a_body_that_is_no_json_object_is_a_400(api: App, bearer: Headers, body: bytes) -> None:
    answer = post(api, "/customers/1/charges", body, bearer)
    assert answer.status_int == 400
    check_problem(answer)


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "application/xml", "nonsense", "application/jsonp"],
)
def test_another_content_type_is_a_415(api: App, bearer: Headers, content_type: str) -> None:
    answer = post(api, "/customers", b'{"name": "x"}', bearer, content_type)
    assert answer.status_int == 415
    check_problem(answer)


def test_a_body_over_the_limit_is_a_413(api: App, bearer: Headers) -> None:
    answer = post(api, "/customers", b'{"name": "' + b"x" * 70_000 + b'"}', bearer)
    assert answer.status_int == 413
    check_problem(answer)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", "/customers", "GET, HEAD, POST, OPTIONS"),
        ("PATCH", "/customers/1", "GET, HEAD, OPTIONS"),
        ("GET", "/customers/1/charges", "POST, OPTIONS"),
        ("POST", "/api/public", "GET, HEAD, OPTIONS"),
        ("DELETE", "/api/private", "GET, HEAD, OPTIONS"),
    ],
)
def test_another_method_is_a_405_that_says_what_there_is(api: App, method: str, path: str, allow: str) -> None:
    answer = api.request(path, method=method, status=405)
    check_problem(answer)
    assert answer.headers["Allow"] == allow
    assert api.options(path, status=204).headers["Allow"] == allow


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/customer",
        "/customers/",
        "/customers/0/charges",
        "/customers/x/charges",
        "/customers/9223372036854775808/charges",
    ],
)
def test_an_address_nobody_serves_is_a_404(api: App, bearer: Headers, path: str) -> None:
    if path == "/":
        path = "/nothing<b>"
    answer = api.post(path, "{}", headers={**bearer, "Content-Type": "application/json"}, status=404)
    check_problem(answer)
    assert path not in answer.text


def test_a_customer_that_is_not_there_is_a_404(api: App, bearer: Headers) -> None:
    for answer in (
        api.get("/customers/999999999999999999", headers=bearer, status=404),
        api.post_json("/customers/999999999999999999/charges", {"amount": "1"}, headers=bearer, status=404),
        api.get("/customers/1/charges/999999999999999999", headers=bearer, status=404),
    ):
        check_problem(answer)


def test_who_lacks_the_scope_learns_nothing_about_ids(api: App, mint: Any) -> None:
    headers = mint("read:messages")
    for customer in (1, 999_999):
        api.post_json(f"/customers/{customer}/charges", {"amount": "1"}, headers=headers, status=403)
        api.get(f"/customers/{customer}", headers=headers, status=403)


def test_answers_of_the_guard_are_for_the_caller_alone(api: App, bearer: Headers) -> None:
    answer = api.get("/customers", headers=bearer)
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Authorization" in answer.headers["Vary"]
