"""The demo data: made once, only when asked for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from webtest import TestApp as App

from example_app import main
from example_app.settings import CORS_TABLE, TABLE
from pyramid_oauthguard.guard.guarded_views import find_views
from pyramid_oauthguard.guard.state import get_guard
from pyramid_oauthguard.server.clients import get_clients
from tests.documentation import read_page
from tests.example.conftest import build_settings, dispose
from tests.example.servers import run_at_once

pytestmark = pytest.mark.slow

IDS = ["customer-cli", "customer-docs", "customer-manager", "customer-manager-api"]


def read_clients(app: Any) -> list[str]:
    return sorted(client.client_id for client in get_clients(app.registry).list_all())


def count(folder: Path, table: str) -> int:
    import sqlite3

    db = sqlite3.connect(folder / "customers.sqlite")
    (number,) = db.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608  # a literal of this file
    db.close()
    return int(number)


def test_it_is_made_on_the_first_start_and_left_alone_on_the_next(tmp_path: Path) -> None:
    for _ in range(2):
        app = main({}, **build_settings(tmp_path))
        assert read_clients(app) == IDS
        assert (count(tmp_path, "users"), count(tmp_path, "customers")) == (1, 2)
        dispose(app)


def test_processes_that_start_together_make_it_once(tmp_path: Path) -> None:
    apps = run_at_once(6, lambda _: main({}, **build_settings(tmp_path)))
    assert (count(tmp_path, "users"), count(tmp_path, "customers")) == (1, 2)
    for app in apps:
        assert read_clients(app) == IDS
        dispose(app)


def test_without_the_setting_none_of_it_exists(tmp_path: Path) -> None:
    app = main({}, **build_settings(tmp_path, **{"example.demo": "false"}))
    assert read_clients(app) == []
    assert (count(tmp_path, "users"), count(tmp_path, "customers")) == (0, 0)
    browser = App(app)
    browser.authorization = ("Basic", ("customer-manager", "customer-manager-secret"))
    browser.post("/oauth/token", {"grant_type": "client_credentials"}, status=401)
    dispose(app)


def test_the_demo_clients_are_what_the_docs_say(tmp_path: Path) -> None:
    app = main({}, **build_settings(tmp_path))
    manager, api, cli = (
        get_clients(app.registry).find(name) for name in ("customer-manager", "customer-manager-api", "customer-cli")
    )
    assert (manager.public, set(manager.scopes)) == (False, {"customer_api", "read:messages"})
    assert {"client_credentials", "authorization_code", "refresh_token"} == set(manager.grants)
    assert (api.role, api.public, api.grants) == ("resource_server", False, ())
    assert cli.public
    assert "client_credentials" not in cli.grants
    dispose(app)


def test_the_reference_left_out_a_setting_and_a_client_of_the_example(tmp_path: Path) -> None:
    """`example.mcp`, and what is there with it: the client and the endpoint."""
    page = read_page("reference/example")
    settings = {
        "sqlalchemy.url",
        *(f"example.{row.name}" for row in TABLE),
        *(f"cors.{row.name}" for row in CORS_TABLE),
    }
    section = page.partition("\n## Settings of the example\n")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `([a-z_.]+)` \|", section, re.MULTILINE)) == settings
    served = main({}, **build_settings(tmp_path, **{"example.mcp": "http://localhost/mcp"}))
    table = page.partition("\n## What it serves\n")[2].partition("\n## ")[0]
    views = find_views(served.registry, get_guard(served.registry).settings)
    places = {re.sub(r"\{\w+\}", "{id}", view.label) for view in views}
    assert {each for each in places if f"`{each}`" not in table} == set()
    demo = page.partition("\n## Demo data\n")[2].partition("\n## ")[0]
    assert [name for name in read_clients(served) if f"`{name}`" not in demo] == []
    dispose(served)
