"""`/oauth/introspect%0A` is not `/oauth/introspect`, and so for every route: Pyramid ends a pattern with `$`."""

from __future__ import annotations

from typing import Any

import pytest
from pyramid.config import Configurator
from pyramid.interfaces import IRoutesMapper

from tests.guard.serving import serve
from tests.server.conftest import ISSUER, Build
from tests.server.flows import Flow, build_flow

ENDS = ["%0A", "%0a", "\n", "%0A%0A", "%0D%0A", "%0D", "%00", "%20", "%0A/", "/%0A", "%E2%80%A8", "%C2%85"]


@pytest.fixture(params=[ISSUER, f"{ISSUER}/tenants/one"])
def flow(build: Build, request: pytest.FixtureRequest) -> Flow:
    return build_flow(build, {"issuer": request.param})


def list_paths(flow: Flow) -> list[str]:
    mapper = flow.server.registry.getUtility(IRoutesMapper)
    return ["/" + route.pattern.lstrip("/") for route in mapper.get_routes() if "{" not in route.pattern]


@pytest.mark.slow
@pytest.mark.parametrize("end", ENDS)
def test_no_endpoint_answers_at_an_address_that_goes_on(flow: Flow, end: str) -> None:
    paths = list_paths(flow)
    assert {"/oauth/authorize", "/oauth/token", "/oauth/introspect", "/oauth/pages.css", "/oauth/device"} <= set(paths)
    assert any(path.startswith("/.well-known/") for path in paths)
    for path in paths:
        for method in ("GET", "POST", "OPTIONS", "HEAD", "DELETE"):
            answer = flow.server.app.request(path + end, method=method, status="*")
            assert answer.status_int == 404, (method, path + end)


@pytest.mark.slow
def test_over_a_socket(build: Build) -> None:
    flow = build_flow(build)
    with serve(flow.server.app.app) as server:
        for path in list_paths(flow):
            assert server.ask(path.encode()).status != 404, path
            assert server.ask(path.encode() + b"%0A").status == 404, path


@pytest.mark.slow
@pytest.mark.parametrize("mount", ["", "/auth"])
def test_below_a_mount_point(build: Build, mount: str) -> None:
    flow = build_flow(build, {"issuer": ISSUER + mount})
    for path in ("/oauth/token", "/.well-known/openid-configuration"):
        answer = flow.server.app.get(f"{mount}{path}%0A", extra_environ={"SCRIPT_NAME": mount}, status="*")
        assert answer.status_int == 404, path


def test_what_comes_after_the_include_answers_there(build: Build) -> None:
    """The route does not match, so the application's own come next."""

    def configure(config: Configurator) -> None:
        config.add_route("rest", "/oauth/{rest}")
        config.add_view(lambda request: {"rest": request.matchdict["rest"]}, route_name="rest", renderer="json")

    flow = build_flow(build, configure=configure)
    answer: Any = flow.server.app.post("/oauth/token%0A")
    assert answer.json == {"rest": "token\n"}
