"""`oauthguard check` tells of what surrounds the guard: open views, other forbidden views, shared caches that fail."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPForbidden
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED

from pyramid_oauthguard.guard import forbidden_view
from pyramid_oauthguard.guard.reports.other_views import describe_other_views
from pyramid_oauthguard.testing import MemoryIssuer
from tests.guard.commanded import ISSUERS, run_check, write_ini
from tests.steady.redis_server import RedisServer, run_redis

MEMORY = MemoryIssuer()


@pytest.fixture
def issuer() -> Iterator[MemoryIssuer]:
    issuer = ISSUERS["https://issuer.test"] = MemoryIssuer()
    yield issuer
    ISSUERS.clear()


def view(request: Any) -> Response:
    return Response("")


def own_forbidden_view(request: Any) -> Response:
    return Response("no", status=403)


def describe(configure: Any) -> dict[str, list[str]]:
    with Configurator(settings=MEMORY.settings) as config:
        config.include("pyramid_oauthguard")
        configure(config)
    found: dict[str, list[str]] = {}
    for each in describe_other_views(config.registry):
        found.setdefault(each.subject, []).append(f"{each.level} {each.text}")
    return found


def add(config: Configurator, name: str, **options: Any) -> None:
    config.add_route(name, f"/{name}")
    config.add_view(view, route_name=name, **options)


def test_views_that_answer_without_a_token_are_listed() -> None:
    def configure(config: Configurator) -> None:
        add(config, "open")
        add(config, "post", request_method="POST")
        add(config, "checked", token_check="local")
        add(config, "required", token_require="read")
        add(config, "permitted", permission="read")
        add(config, "meant", permission=NO_PERMISSION_REQUIRED)
        config.add_view(view, name="traversed")
        config.add_notfound_view(view)
        config.add_exception_view(view, context=ValueError)
        config.add_static_view("files", "tests:guard")

    assert describe(configure) == {
        "open views": [
            "ok answer without a token: POST /post, any method /open, any method view 'traversed' of any context"
        ]
    }


def test_a_default_permission_leaves_no_view_open() -> None:
    def configure(config: Configurator) -> None:
        config.set_default_permission("read")
        add(config, "open")

    assert describe(configure) == {}


def test_many_open_views_are_cut() -> None:
    found = describe(lambda config: [add(config, f"v{number:03}") for number in range(80)])
    assert found["open views"][0].endswith("any method /v049, and 30 more")


def test_the_guards_own_views_are_not_named() -> None:
    assert describe(lambda config: None) == {}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "answers the refusals of every view, in place"),
        ({"request_method": "POST"}, "answers the refusals of every view for some requests, in place"),
        ({"route_name": "checked"}, "answers the refusals of /checked, in place"),
        ({"accept": "text/html"}, "answers the refusals of every view for some requests, in place"),
    ],
)
def test_another_forbidden_view_is_named(options: dict[str, Any], said: str) -> None:
    def configure(config: Configurator) -> None:
        add(config, "checked", token_check="local")
        config.add_forbidden_view(own_forbidden_view, **options)

    (line,) = describe(configure)["forbidden view"]
    assert line.startswith("warning tests.guard.test_other_views.own_forbidden_view ")
    assert said in line


def test_another_forbidden_view_is_named_in_whatever_way_it_was_added() -> None:
    for configure in (
        lambda config: config.add_exception_view(own_forbidden_view, context=HTTPForbidden),
        lambda config: config.add_view(own_forbidden_view, context=HTTPForbidden),
    ):
        assert "own_forbidden_view" in describe(configure)["forbidden view"][0]
    assert describe(lambda config: config.add_forbidden_view(forbidden_view)) == {}


# ── shared caches ────────────────────────────────────────────────────────────────────────────────────────────────

PASSWORD = "the-password-of-redis"


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with run_redis(tmp_path) as server:
        server.client.config_set("requirepass", PASSWORD)
        yield server
        if server._process is not None:
            server.thaw()


def find_said(issuer: MemoryIssuer, folder: Path, redis: RedisServer) -> list[dict[str, Any]]:
    """What `check` says of the cache of keys."""
    settings = {
        **issuer.settings,
        "oauthguard.cache.jwks.backend": "dogpile.cache.redis",
        "oauthguard.cache.jwks.arguments.url": f"redis://:{PASSWORD}@127.0.0.1:{redis.port}/0",
        "oauthguard.cache.secret": "3b1f7a9c5d2e8f604c7b9a1d3e5f7082aa",
    }
    result = run_check(write_ini(folder, settings), "--format", "json")
    assert result.exit_code == 0, result.exception
    assert PASSWORD not in result.output
    return [each for each in json.loads(result.stdout) if each["subject"] == "oauthguard.cache.jwks.backend"]


@pytest.mark.slow
@pytest.mark.needs("redis-server")
def test_a_shared_cache_that_does_not_work_is_named(issuer: MemoryIssuer, tmp_path: Path, redis: RedisServer) -> None:
    (good,) = find_said(issuer, tmp_path, redis)
    assert good["level"] == "ok"
    redis.client.config_set("maxmemory-policy", "noeviction")
    redis.client.config_set("maxmemory", "1")
    (full,) = find_said(issuer, tmp_path, redis)
    assert "does not work as a cache: OutOfMemoryError" in full["text"]
    redis.client.config_set("maxmemory", "0")
    redis.client.config_set("requirepass", "another-one")
    (locked,) = find_said(issuer, tmp_path, redis)
    assert "AuthenticationError" in locked["text"]
    redis.freeze()
    began = time.monotonic()
    (slow,) = find_said(issuer, tmp_path, redis)
    assert "TimeoutError" in slow["text"]
    assert time.monotonic() - began < 15
    redis.kill()
    (away,) = find_said(issuer, tmp_path, redis)
    assert (away["level"], "ConnectionError ECONNREFUSED" in away["text"]) == ("warning", True)
