"""Pages of the origins in the ini may call the API; a preflight needs no token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from webtest import TestApp as App

from example_app import main
from example_app.settings import read_cors
from pyramid_oauthguard import SettingError

ORIGIN = "http://localhost:3000"
PATHS = ["/customers", "/customers/1/charges", "/api/public", "/api/private", "/api/private-scoped"]


def ask(api: App, path: str, origin: str = ORIGIN, method: str = "POST") -> Any:
    return api.options(path, headers={"Origin": origin, "Access-Control-Request-Method": method}, status="*")


@pytest.mark.promise("GD-28")
@pytest.mark.parametrize("path", PATHS)
def test_a_preflight_needs_no_token(api: App, path: str) -> None:
    answer = ask(api, path)
    assert answer.status_int == 204
    assert answer.body == b""
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
    assert "WWW-Authenticate" not in answer.headers


@pytest.mark.parametrize(
    "origin", ["http://localhost:3001", "https://localhost:3000", "http://localhost:3000.evil.example", "null", ""]
)
def test_another_origin_is_told_nothing(api: App, bearer: dict[str, str], origin: str) -> None:
    for answer in (ask(api, "/customers", origin), api.get("/customers", headers={**bearer, "Origin": origin})):
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert "Origin" in answer.headers["Vary"]


def test_an_answer_can_be_read(api: App, bearer: dict[str, str]) -> None:
    answer = api.get("/customers", headers={**bearer, "Origin": ORIGIN})
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert {"Origin", "Authorization"} <= set(answer.headers["Vary"].replace(" ", "").split(","))
    assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize(("path", "status"), [("/customers", 401), ("/api/nothing", 404)])
def test_a_refusal_can_be_read_with_its_challenge(api: App, path: str, status: int) -> None:
    answer = api.get(path, headers={"Origin": ORIGIN}, status=status)
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "WWW-Authenticate" in answer.headers["Access-Control-Expose-Headers"]


@pytest.mark.slow
def test_the_pages_are_for_no_other_origin(app: App) -> None:
    for path in ("/", "/sign-in", "/static/example.css"):
        assert "Access-Control-Allow-Origin" not in app.get(path, headers={"Origin": ORIGIN}).headers


@pytest.mark.parametrize(
    "origins",
    [
        "null",
        "localhost:3000",
        "http://localhost:3000/",
        "ftp://x.example",
        "https://X.example",
        "https://u@x.example",
        "* https://x.example",
    ],
)
def test_a_wrong_origin_stops_the_start(origins: str) -> None:
    with pytest.raises(SettingError, match=r"^cors\.origins: "):
        read_cors({"cors.origins": origins})


def test_a_misspelt_setting_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"example\.demos: is not a setting"):
        main({}, **{"sqlalchemy.url": f"sqlite:///{tmp_path}/x.sqlite", "example.demos": "true"})
