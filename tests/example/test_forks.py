"""The example in a process that forks: its own database crosses no fork either."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from webtest import TestApp as App

from example_app import main
from pyramid_oauthguard.testing import trust
from tests.example.conftest import build_api_settings, dispose
from tests.example.postgres import run_postgresql
from tests.forking import HOW, needs_fork, start_child
from tests.reachable import held, list_locks

pytestmark = [pytest.mark.slow, needs_fork, pytest.mark.promise("GD-29")]


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    with run_postgresql() as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs("initdb", "pg_ctl"))])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    settings = {
        **build_api_settings(tmp_path),
        "oauthguard.introspection.auth_method": "none",
        "pyramid_openapi3.enable_response_validation": "false",  # hundreds of answers, which other tests validate
    }
    if request.param == "postgresql":
        settings["sqlalchemy.url"] = request.getfixturevalue("postgresql")
    made = main({}, **settings)
    yield made
    dispose(made)


def create(browser: App, bearer: dict[str, str], name: str) -> str:
    made = browser.post_json("/customers", {"name": name}, headers=bearer, status=201).json
    found: str = browser.get(f"/customers/{made['id']}", headers=bearer).json["name"]
    return found


@pytest.mark.parametrize("how", HOW)
def test_children_and_parent_create_customers_at_once(app: Any, how: str) -> None:
    browser, bearer = App(app), trust(app).bearer(scope="customer_api")

    def work(name: str) -> set[str]:
        return {create(browser, bearer, name) for _ in range(10)}

    assert work("parent") == {"parent"}
    children = {name: start_child(lambda name=name: list(work(name)), how) for name in ("ada", "bob")}  # type: ignore[misc]
    assert work("parent") == {"parent"}
    assert {name: child.result() for name, child in children.items()} == {"ada": ["ada"], "bob": ["bob"]}
    assert [count(app, name) >= 10 for name in ("ada", "bob")] == [True, True]


def test_no_lock_that_a_thread_of_the_parent_holds_stops_a_child(app: Any) -> None:
    browser, bearer = App(app), trust(app).bearer(scope="customer_api")
    assert create(browser, bearer, "parent") == "parent"
    # SQLite's parent closes its pool before it forks, which takes the pool's locks.
    sqlite = app.registry["example_app.engine"].dialect.name == "sqlite"
    locks = {name: lock for name, lock in list_locks(app.registry).items() if "Queue" not in name or not sqlite}
    with held(locks.values()):
        assert start_child(lambda: create(browser, bearer, "ada")).result() == "ada"


def test_no_lock_of_the_openapi_packages_stops_a_child(app: Any) -> None:
    """Until Python 3.12, functools.cached_property has locks: of classes, so that no search from the registry finds them."""
    browser, bearer = App(app), trust(app).bearer(scope="customer_api")
    holders = app.registry["example_app.openapi_locks"].holders
    locks = [getattr(holder, name) for holder, name in holders]
    assert locks
    with held(locks):
        assert start_child(lambda: create(browser, bearer, "ada")).result() == "ada"


def test_children_that_are_forked_while_the_example_serves_do_not_hang(app: Any) -> None:
    browser, bearer = App(app), trust(app).bearer(scope="customer_api")
    stop = threading.Event()

    def serve(number: int) -> set[str]:
        names = set()
        while not stop.is_set():
            names.add(create(browser, bearer, f"thread {number}"))
        return names

    with ThreadPoolExecutor(3) as threads:
        served = [threads.submit(serve, number) for number in range(3)]
        try:
            for _ in range(8):
                assert start_child(lambda: create(browser, bearer, "ada")).result() == "ada"
        finally:
            stop.set()
    assert [each.result() for each in served] == [{f"thread {number}"} for number in range(3)]


def test_a_childs_customers_are_there_when_its_parent_has_closed_the_database(app: Any) -> None:
    browser, bearer = App(app), trust(app).bearer(scope="customer_api")
    create(browser, bearer, "parent")
    child = start_child(lambda: [create(browser, bearer, "ada") for _ in range(200)])
    dispose(app)
    assert child.result(60) == ["ada"] * 200
    assert create(browser, bearer, "parent") == "parent"
    assert count(app, "ada") >= 200


def count(app: Any, name: str) -> int:
    with app.registry["example_app.engine"].connect() as connection:
        statement = sa.text("SELECT count(*) FROM customers WHERE name = :name")
        found: int = connection.execute(statement, {"name": name}).scalar_one()
    return found
