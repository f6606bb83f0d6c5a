"""The same example on PostgreSQL: only `sqlalchemy.url` changes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from webtest import TestApp as App

from example_app import main
from pyramid_oauthguard.server.service import IService
from pyramid_oauthguard.testing import trust
from tests.example.conftest import build_api_settings, build_settings, dispose
from tests.example.postgres import run_postgresql
from tests.example.servers import run_at_once
from tests.server.cluster import Cluster, run_cluster

pytestmark = [pytest.mark.slow, pytest.mark.needs("initdb", "pg_ctl")]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with run_postgresql() as url:
        yield url


@pytest.fixture
def app(url: str, tmp_path: Any) -> Iterator[Any]:
    settings = {**build_api_settings(tmp_path), "oauthguard.introspection.auth_method": "none", "sqlalchemy.url": url}
    made = main({}, **settings)
    yield made
    dispose(made)


def test_customers_are_created_listed_and_charged(app: Any) -> None:
    browser, bearer = App(app), trust(app).bearer(scope="customer_api")
    assert [customer["id"] for customer in browser.get("/customers", headers=bearer).json["customers"]][:2] == [1, 2]
    made = browser.post_json(
        "/customers", {"name": "Mary Shelley 𝔐", "balance": "0.20"}, headers=bearer, status=201
    ).json
    path = f"/customers/{made['id']}/charges"
    assert browser.post_json(path, {"amount": "0.10"}, headers=bearer, status=201).json["balance"] == "0.30"
    browser.post_json("/customers/999999999999999999/charges", {"amount": "1"}, headers=bearer, status=404)


@pytest.mark.parametrize("name", ["nul \0 byte", "half \ud800 a pair"])
def test_what_postgresql_can_not_store_is_refused_by_name(app: Any, name: str) -> None:
    headers = {**trust(app).bearer(scope="customer_api"), "Content-Type": "application/json"}
    answer = App(app).post("/customers", json.dumps({"name": name}), headers=headers, status=422)
    assert answer.json["errors"][0]["field"] == "name"


def test_charges_at_once_all_count(app: Any) -> None:
    bearer = trust(app).bearer(scope="customer_api")

    def charge(number: int) -> int:
        return int(App(app).post_json("/customers/1/charges", {"amount": "0.01"}, headers=bearer).status_int)

    before = Decimal(App(app).get("/customers/1", headers=bearer).json["balance"])
    assert run_at_once(16, charge) == [201] * 16
    after = Decimal(App(app).get("/customers/1", headers=bearer).json["balance"])
    assert after - before == Decimal("0.16")


def test_processes_that_start_together_make_the_demo_data_once(url: str, tmp_path: Any) -> None:
    settings = {**build_api_settings(tmp_path), "oauthguard.introspection.auth_method": "none", "sqlalchemy.url": url}
    apps = run_at_once(4, lambda _: main({}, **settings))
    listed = App(apps[0]).get("/customers", headers=trust(apps[0]).bearer(scope="customer_api")).json["customers"]
    assert [customer["name"] for customer in listed].count("Ada Lovelace") == 1
    for app in apps:
        dispose(app)


def test_a_database_that_is_down_is_a_503(tmp_path: Any) -> None:
    with run_postgresql() as url:
        settings = {
            **build_api_settings(tmp_path),
            "oauthguard.introspection.auth_method": "none",
            "sqlalchemy.url": url,
        }
        app = main({}, **settings)
        bearer = trust(app).bearer(scope="customer_api")
        App(app).get("/customers", headers=bearer)
    answer = App(app).get("/customers", headers={**bearer, "Origin": "http://localhost:3000"}, status=503)
    assert answer.content_type == "application/problem+json"
    assert answer.headers["Retry-After"] == "5"
    assert answer.headers["Access-Control-Allow-Origin"] == "http://localhost:3000"
    App(app).get("/api/private", headers=bearer, status=200)
    dispose(app)


def build_both(cluster: Cluster, tmp_path: Any) -> Any:
    """Both halves in one process, their data in one database."""
    server = {"sqlalchemy.url": cluster.url, "pepper_file": str(tmp_path / "pepper")}
    settings = {**build_settings(tmp_path), **{f"oauthguard.server.{name}": value for name, value in server.items()}}
    return main({}, **{**settings, "sqlalchemy.url": cluster.url})


def close_both(app: Any) -> None:
    app.registry.getUtility(IService).store.close()
    dispose(app)


def test_a_worker_that_starts_while_the_database_is_away_answers_503_until_it_is_back(tmp_path: Any) -> None:
    with run_cluster() as cluster:
        cluster.upgrade()
        close_both(build_both(cluster, tmp_path))
        cluster.stop()
        app = build_both(cluster, tmp_path)
        browser = App(app)
        form = {"grant_type": "client_credentials", "scope": "customer_api"}
        headers = {"Authorization": "Basic Y3VzdG9tZXItbWFuYWdlcjpjdXN0b21lci1tYW5hZ2VyLXNlY3JldA=="}
        browser.post("/oauth/token", form, headers=headers, status=503)
        assert browser.get("/api/public", status=200)
        assert browser.get("/.well-known/oauth-authorization-server", status=200)
        cluster.start()
        token = browser.post("/oauth/token", form, headers=headers, status=200).json["access_token"]
        bearer = {"Authorization": f"Bearer {token}"}
        assert browser.get("/customers", headers=bearer, status=200).json["customers"]
        cluster.stop()
        again = App(build_both(cluster, tmp_path))
        cluster.start()
        assert again.get("/customers", headers=bearer, status=200).json["customers"], "the key set is there as well"
        for each in (app, again.app):
            close_both(each)


def test_a_frozen_database_keeps_no_request_of_the_api_waiting(tmp_path: Any) -> None:
    with run_cluster() as cluster:
        settings = {
            **build_api_settings(tmp_path),
            "oauthguard.introspection.auth_method": "none",
            "sqlalchemy.url": cluster.url,
        }
        app = main({}, **settings)
        bearer = trust(app).bearer(scope="customer_api")
        App(app).get("/customers", headers=bearer, status=200)
        cluster.freeze()
        begun = time.monotonic()
        App(app).get("/customers", headers=bearer, status=503)
        assert time.monotonic() - begun < 8
        cluster.thaw()
        App(app).get("/customers", headers=bearer, status=200)
        dispose(app)
