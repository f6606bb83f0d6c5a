"""What an OpenAPI document says about tokens is what the views do."""

from __future__ import annotations

import copy
import subprocess
import sys
from typing import Any

import pytest
from openapi_spec_validator import validate
from pyramid.authorization import Allow
from pyramid.config import Configurator
from pyramid.response import Response

from pyramid_oauthguard.command.guard.explanation import explain_token
from pyramid_oauthguard.guard.openapi import SCHEME, find_operations, secure_document
from pyramid_oauthguard.testing import MemoryIssuer
from tests.guard.guarding import build_app

FLOWS = {
    "authorizationCode": {"authorizationUrl": "https://as.example/authorize", "tokenUrl": "https://as.example/token"},
    "clientCredentials": {"tokenUrl": "https://as.example/token"},
}


class Shelf:
    __acl__ = ((Allow, "scope:read", "read"), (Allow, "scope:write", ("read", "write")), (Allow, "user:ada", "own"))

    def __init__(self, request: Any) -> None:
        pass


class Computed:
    def __init__(self, request: Any) -> None:
        pass

    def __acl__(self) -> Any:
        return [(Allow, "scope:secret", "read")]


def show(context: Any, request: Any) -> Response:
    return Response("ok")


def configure(config: Configurator) -> None:
    def add(name: str, pattern: str, *, factory: Any = None, **options: Any) -> None:
        config.add_route(name, pattern, factory=factory)
        config.add_view(show, route_name=name, **options)

    add("open", "/open")
    add("any", "/any", token_check="local")
    add("all", "/all", token_require="a b", token_check="remote")
    add("some", "/some", token_require={"scope": "base", "any_scope": "c d"})
    add("shelf", r"/shelf/{shelf:[0-9]{1,9}}", factory=Shelf, permission="read", request_method="GET")
    config.add_view(show, route_name="shelf", permission="write", request_method="PUT", token_check="remote")
    config.add_view(show, route_name="shelf", permission="own", request_method="DELETE")
    add("computed", "/computed", factory=Computed, permission="read")
    add("under", "/v1/things", token_require="things")


@pytest.fixture(scope="module")
def registry() -> Any:
    return build_app(configure, MemoryIssuer()).app.registry


def build_document(*paths: str, method: str = "get", **more: Any) -> dict[str, Any]:
    operation = {"responses": {"200": {"description": "Good."}}}
    items = {path: {method: copy.deepcopy(operation)} for path in paths}
    for path, item in items.items():
        if "{" in path:
            name = path.partition("{")[2].partition("}")[0]
            item["parameters"] = [{"name": name, "in": "path", "required": True, "schema": {"type": "integer"}}]
    return {"openapi": "3.1.0", "info": {"title": "Shelves", "version": "1"}, "paths": items, **more}


def read_security(registry: Any, path: str, method: str = "get") -> Any:
    return secure_document(build_document(path, method=method), registry)["paths"][path][method]["security"]


@pytest.mark.parametrize(
    ("path", "method", "security"),
    [
        ("/open", "get", []),
        ("/nowhere", "get", []),
        ("/any", "get", [{SCHEME: []}]),
        ("/any", "post", [{SCHEME: []}]),  # the view answers every method
        ("/all", "get", [{SCHEME: ["a", "b"]}]),
        ("/some", "get", [{SCHEME: ["base", "c"]}, {SCHEME: ["base", "d"]}]),
        ("/shelf/{id}", "get", [{SCHEME: ["read"]}, {SCHEME: ["write"]}]),
        ("/shelf/{id}", "head", [{SCHEME: ["read"]}, {SCHEME: ["write"]}]),
        ("/shelf/{id}", "put", [{SCHEME: ["write"]}]),
        ("/shelf/{id}", "delete", [{SCHEME: []}]),  # a user, no scope
        ("/shelf/{id}", "post", []),  # no such view
        ("/computed", "get", [{SCHEME: []}]),
    ],
)
def test_the_security_is_that_of_the_view(registry: Any, path: str, method: str, security: Any) -> None:
    assert read_security(registry, path, method) == security


def test_a_permission_that_another_principal_has_too_names_no_scope() -> None:
    class Both:
        __acl__ = ((Allow, "scope:read", "read"), (Allow, "client:robot", "read"))

        def __init__(self, request: Any) -> None:
            pass

    def add(config: Configurator) -> None:
        config.add_route("both", "/both", factory=Both)
        config.add_view(show, route_name="both", permission="read")

    assert read_security(build_app(add).app.registry, "/both") == [{SCHEME: []}]


def test_the_paths_of_a_document_are_below_its_servers(registry: Any) -> None:
    document = build_document("/things", servers=[{"url": "https://api.example/v1/"}])
    assert secure_document(document, registry)["paths"]["/things"]["get"]["security"] == [{SCHEME: ["things"]}]
    assert secure_document(build_document("/things"), registry)["paths"]["/things"]["get"]["security"] == []


def test_the_check_of_each_operation_is_told(registry: Any) -> None:
    found = secure_document(build_document("/any", "/all", "/open"), registry)["paths"]
    checks = {path: item["get"].get("x-token-check") for path, item in found.items()}
    assert checks == {"/any": "local", "/all": "remote", "/open": None}


def test_the_refusals_are_described_where_the_document_does_not(registry: Any) -> None:
    document = build_document("/any", "/open")
    document["paths"]["/any"]["get"]["responses"]["401"] = {"description": "Our own words."}
    found = secure_document(document, registry)["paths"]
    assert set(found["/any"]["get"]["responses"]) == {"200", "400", "401", "403", "503"}
    assert found["/any"]["get"]["responses"]["401"] == {"description": "Our own words."}
    assert set(found["/open"]["get"]["responses"]) == {"200"}


def test_flows_become_a_scheme_with_every_scope_of_the_views(registry: Any) -> None:
    found = secure_document(build_document("/all"), registry, flows=FLOWS, scopes={"read": "Read", "more": "More"})
    scheme = found["components"]["securitySchemes"][SCHEME]
    assert scheme["type"] == "oauth2"
    assert set(scheme["flows"]) == set(FLOWS)
    for name, flow in scheme["flows"].items():
        assert FLOWS[name].items() <= flow.items()
        assert flow["scopes"]["read"] == "Read"
        assert set(flow["scopes"]) == {"a", "b", "base", "c", "d", "more", "read", "things", "write"}


def test_without_flows_the_scheme_is_a_bearer_token(registry: Any) -> None:
    found = secure_document(build_document("/all"), registry)
    assert found["components"]["securitySchemes"] == {SCHEME: {"type": "http", "scheme": "bearer"}}


def test_the_security_of_others_is_kept(registry: Any) -> None:
    key = {"type": "apiKey", "name": "key", "in": "header"}
    document = build_document("/open", components={"securitySchemes": {"key": key}})
    document["paths"]["/open"]["get"]["security"] = [{"key": []}]
    found = secure_document(document, registry)
    assert found["paths"]["/open"]["get"]["security"] == [{"key": []}]
    assert found["components"]["securitySchemes"]["key"] == key


@pytest.mark.parametrize("version", ["3.0.3", "3.1.0"])
def test_it_is_a_valid_document_and_the_given_one_is_not_changed(registry: Any, version: str) -> None:
    document = build_document("/open", "/any", "/all", "/some", "/shelf/{id}")
    document["openapi"] = version
    before = copy.deepcopy(document)
    validate(secure_document(document, registry, flows=FLOWS))
    assert document == before


def test_the_operations_are_listed(registry: Any) -> None:
    found = {(each.method, each.path): (each.mode, each.alternatives) for each in find_operations(registry)}
    assert found["PUT", "/shelf/{shelf}"] == ("remote", (("write",),))
    assert found["", "/all"] == ("remote", (("a", "b"),))
    assert ("", "/open") not in found


@pytest.mark.slow
def test_no_openapi_package_is_imported() -> None:
    code = "import sys, pyramid_oauthguard.guard.openapi\nassert not {'pyramid_openapi3', 'openapi_core'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_explain_names_the_views_that_a_good_token_is_not_enough_for() -> None:
    issuer = MemoryIssuer()
    registry = build_app(configure, issuer).app.registry
    found = explain_token(registry, issuer.mint(scope="read base"), "local")
    assert found.reason is None
    assert found.views == (
        "any method /some answers 403: it requires the scope base and c or base and d",
        "any method /v1/things answers 403: it requires the scope things",
        "DELETE /shelf/{shelf} answers 403: the permission own is granted to user:ada; the token gives client:test-client, scope:base, scope:read, user:test-user",
    )
    assert explain_token(registry, issuer.mint(scope="a b"), "local").views != ()
    assert explain_token(registry, "x.y.z", "local").views == ()
