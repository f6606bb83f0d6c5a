"""Under a guarded prefix, no view is open: start-up stops, or the request is refused where only that tells the path."""

from __future__ import annotations

from typing import Any

import pytest
from pyramid.security import NO_PERMISSION_REQUIRED

from pyramid_oauthguard.testing import MemoryIssuer
from tests.guard.guarding import add, build_app, find_setting_error, find_status

pytestmark = pytest.mark.promise("GD-37")


@pytest.fixture
def issuer():
    return MemoryIssuer(algorithm="Ed25519")


def view(request: Any) -> dict[str, Any]:
    return {}


def build(issuer: MemoryIssuer, configure: Any, under: str = "/api/", **settings: str) -> Any:
    given = {
        "oauthguard.require_under": under,
        **{f"oauthguard.{n.replace('__', '.')}": v for n, v in settings.items()},
    }
    return build_app(configure, issuer, settings=given)


@pytest.mark.parametrize("pattern", ["/api", "/api/", "/api/x", "/api/{id}", "/api/*rest", "api/x"])
@pytest.mark.parametrize(
    "options", [{}, {"permission": NO_PERMISSION_REQUIRED}], ids=["nothing", "no permission required"]
)
def test_an_open_view_stops_the_start(issuer, pattern, options):
    def configure(config: Any) -> None:
        config.add_route("open", pattern)
        config.add_view(view, route_name="open", renderer="json", **options)

    for under in ("/api/", "/api", "/other /api"):
        error = find_setting_error(lambda under=under: build(issuer, configure, under))
        assert error.key == "oauthguard.require_under"
        assert pattern.strip("/") in str(error)


@pytest.mark.parametrize("options", [{"token_check": "local"}, {"token_require": "read"}, {"permission": "read"}])
def test_a_guarded_view_is_no_open_one(issuer, options):
    app = build(issuer, lambda config: add(config, "/api/x", **options))
    assert find_status(app, "/api/x") == 401
    assert find_status(app, "/api/x", issuer.mint(scope="read")) == 200


def test_a_default_permission_guards(issuer):
    def configure(config: Any) -> None:
        config.set_default_permission("read")
        add(config, "/api/x")

    assert find_status(build(issuer, configure), "/api/x") == 401


def test_other_paths_may_be_open(issuer):
    def configure(config: Any) -> None:
        for path in ("/api2", "/apis/x", "/x/api", "/"):
            config.add_route(f"r{path}", path)
            config.add_view(view, route_name=f"r{path}", renderer="json")

    app = build(issuer, configure)
    assert [find_status(app, path) for path in ("/api2", "/apis/x", "/x/api", "/")] == [200] * 4
    assert find_status(app, "/api/nothing") == 404


def test_paths_that_may_be_open_all_the_same(issuer):
    def configure(config: Any) -> None:
        add(config, "/api/health", view)

    app = build(issuer, configure, require_under__open="/api/health")
    assert find_status(app, "/api/health") == 200
    find_setting_error(
        lambda: build(issuer, lambda config: add(config, "/api/health/x", view), require_under__open="/api/health")
    )


@pytest.mark.parametrize("path", ["/api/x", "//api/x", "/%61pi/x", "/api//x", "/./api/x"])
def test_a_view_whose_path_only_a_request_tells_is_refused_then(issuer, path):
    def configure(config: Any) -> None:
        config.add_route("any", "/*rest")
        config.add_view(view, route_name="any", renderer="json")

    app = build(issuer, configure)
    assert find_status(app, path) == 403
    assert find_status(app, "/api2/x") == 200


def test_a_placeholder_for_the_prefix(issuer):
    def configure(config: Any) -> None:
        config.add_route("tenant", "/{tenant}/x")
        config.add_view(view, route_name="tenant", renderer="json")

    app = build(issuer, configure)
    assert find_status(app, "/api/x") == 403
    assert find_status(app, "/shop/x") == 200


def test_a_view_by_traversal(issuer):
    class Tree(dict):
        pass

    root = Tree(api=Tree(), pages=Tree())

    def configure(config: Any) -> None:
        config.add_view(view, context=Tree, renderer="json")

    app = build_app(
        configure, issuer, settings={"oauthguard.require_under": "/api/"}, root_factory=lambda request: root
    )
    assert find_status(app, "/api") == 403
    assert find_status(app, "/pages") == 200


def test_a_slash_stands_for_every_path(issuer):
    app = build(issuer, lambda config: add(config, "/x", view, token_check="local"), "/")
    assert find_status(app, "/x") == 401
    assert "/x" in str(find_setting_error(lambda: build(issuer, lambda config: add(config, "/x", view), "/")))


@pytest.mark.parametrize("under", ["api", "/a?b", "/../x", "/api/*"])
@pytest.mark.parametrize("options", [{}, {"token_check": "local"}], ids=["open", "guarded"])
def test_a_prefix_that_is_none(issuer, under, options):
    """Also where every view is guarded: a view that only a request finds would not be refused."""
    find_setting_error(lambda: build(issuer, lambda config: add(config, "/x", view, **options), under))
