"""Protected resources: one document and one audience for each path prefix; the decoded path decides, in whole segments."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from pyramid.authorization import Allow
from pyramid.config import Configurator
from pyramid.request import Request
from webtest import TestApp

from pyramid_oauthguard import InsufficientScope
from pyramid_oauthguard.command.guard.explanation import explain_token
from pyramid_oauthguard.guard import require
from pyramid_oauthguard.guard.self_check import judge_guard
from pyramid_oauthguard.testing import ABSENT, MemoryIssuer, bearer
from tests.guard.guarding import BARE, add, ask, build_app, find_setting_error, find_status, tell

PLACE = "/.well-known/oauth-protected-resource"
MCP, API = "https://api.test/mcp", "https://api.test"
INVALID = 'error="invalid_token"'


@pytest.fixture
def issuer() -> MemoryIssuer:
    return MemoryIssuer()


def build(issuer: MemoryIssuer, configure: Any = None, **settings: str) -> TestApp:
    """An API with a resource at /mcp, and one more below it."""

    def complete(config: Configurator) -> None:
        for path in ("/api", "/mcp", "/mcp/tools", "/mcp2", "/mcp/admin", "/mcp/admin/x"):
            add(config, path, token_check="local")
        add(config, "/{any}/x", token_check="remote")
        config.add_protected_resource("/mcp", MCP, name="Customers", documentation="https://docs.test/mcp")
        config.add_protected_resource("/mcp/admin", f"{MCP}/admin")
        if configure is not None:
            configure(config)

    given = {"oauthguard.resource": API, "oauthguard.resource_metadata": "on", **settings}
    return build_app(complete, issuer, settings=given)


# ── Which audience counts where ──────────────────────────────────────────────────────────────────────────────────

FOREIGN = [("/api", API, MCP), ("/mcp", MCP, API), ("/mcp/tools", MCP, API), ("/mcp2", API, MCP),
           ("/mcp/admin", f"{MCP}/admin", MCP), ("/mcp/admin/x", f"{MCP}/admin", API)]  # fmt: skip


@pytest.mark.promise("GD-71")
@pytest.mark.parametrize(("path", "own", "other"), FOREIGN)
@pytest.mark.parametrize("again", [1, 2])
def test_a_token_for_one_resource_is_refused_at_another(issuer, path, own, other, again, caplog):
    app = build(issuer)
    caplog.set_level(logging.INFO)
    good, foreign = issuer.mint(aud=own), issuer.mint(aud=other)
    for _ in range(again):  # remembered tokens are no way around
        assert find_status(app, path, good) == 200
        refused = ask(app, path, foreign)
        assert refused.status_int == 401
        assert INVALID in refused.headers["WWW-Authenticate"]
    assert "other_resource" in caplog.text


@pytest.mark.promise("GD-71")
@pytest.mark.parametrize("path", ["/mcp/", "//mcp/tools", "/%6dcp/tools", "/mcp%2Ftools"])
def test_the_decoded_path_decides_in_whole_segments(issuer, path):
    """However the path is spelled, a token of the application never gets the identity of a caller there."""
    app = build(issuer, lambda config: config.add_view(tell, name="", renderer="json", token_check="local"))
    assert find_status(app, path, issuer.mint(aud=API)) in {401, 404}
    assert find_status(app, path, issuer.mint(aud=MCP)) in {200, 404}


@pytest.mark.promise("GD-71")
@pytest.mark.parametrize(
    ("path", "header"), [("/api/../mcp", {}), ("/mcp/../api", {}), ("/tools", {"X-Vhm-Root": "/mcp"}), ("/mcp\n", {})]
)
def test_a_path_that_can_be_read_in_two_ways_takes_no_token(issuer, path, header):
    class Tree(dict[str, Any]):
        __acl__ = ((Allow, "system.Everyone", "read"),)

        def __getitem__(self, name: str) -> Tree:
            return Tree()

    def configure(config: Configurator) -> None:
        config.add_view(tell, context=Tree, renderer="json", token_check="local")
        config.add_protected_resource("/mcp", MCP)

    app = build_app(configure, issuer, root_factory=lambda request: Tree())
    for aud in API, MCP:
        answer = app.get(
            "/", headers={**bearer(issuer.mint(aud=aud)), **header}, extra_environ={"PATH_INFO": path}, status="*"
        )
        assert answer.status_int in {401, 404}, (aud, answer.body)


@pytest.mark.promise("GD-71")
def test_a_token_for_both_is_good_at_both(issuer):
    app = build(issuer)
    both = issuer.mint(aud=[API, MCP])
    assert [find_status(app, path, both) for path in ("/api", "/mcp", "/mcp/admin")] == [200, 200, 401]


def test_a_token_without_an_audience_is_refused_under_a_prefix(issuer):
    app = build(issuer, **{"oauthguard.introspection.require_audience": "false"})
    opaque = issuer.mint_opaque(aud=ABSENT)
    assert find_status(app, "/one/x", opaque) == 200
    assert find_status(app, "/mcp/x", opaque) == 401


def test_a_verifier_of_the_application_is_bound_by_it_too(issuer):
    class Own:
        def verify(self, raw: str) -> Any:
            return issuer_token

    app = build(issuer, lambda config: config.set_token_verifier("local", Own()))
    seen = []
    plain = build(
        issuer,
        lambda config: add(
            config, "/see", lambda request: seen.append(request.access_token) or {}, token_check="local"
        ),
    )
    ask(plain, "/see", issuer.mint(aud=API))
    (issuer_token,) = seen
    assert [find_status(app, path, "x") for path in ("/api", "/mcp")] == [200, 401]


@pytest.mark.promise("GD-71")
@pytest.mark.parametrize(
    ("audience", "resource"),
    [(API, f"{API}/mcp/ {API}/mcp"), (f"{API}/", API), (f"{API} {MCP}/", MCP), (API, "https://api.test//mcp")],
)
def test_audiences_that_differ_in_a_slash_stop_start_up(audience, resource):
    def start() -> None:
        config = Configurator(settings={"oauthguard.issuer": "https://issuer.test", "oauthguard.audience": audience})
        config.include("pyramid_oauthguard")
        for number, each in enumerate(f"{resource} {MCP}".split() if "//mcp" in resource[8:] else resource.split()):
            config.add_protected_resource(f"/mcp{number}", each)
        config.commit()

    error = find_setting_error(start)
    assert error.key == "oauthguard.audience"
    assert "differ in a slash" in str(error)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"path_prefix": "/"}, "oauthguard.resource"),
        ({"path_prefix": "mcp"}, "path prefix"),
        ({"path_prefix": "/{a}"}, "path prefix"),
        ({"path_prefix": 7}, "one by one"),
        ({"resource": "/mcp"}, "resource must begin with https"),
        ({"resource": "http://api.test/mcp"}, "resource must begin with https"),
        ({"scopes": 'a "b'}, "scopes"),
        ({"documentation": "docs"}, "documentation"),
        ({"name": 7}, "name must be text"),
    ],
)
def test_what_cannot_be_used_stops_start_up(given, text):
    def start() -> None:
        config = Configurator(settings=MemoryIssuer().settings)
        config.include("pyramid_oauthguard")
        config.add_protected_resource(**{"path_prefix": "/mcp", "resource": MCP, **given})

    error = find_setting_error(start)
    assert text in str(error)
    assert error.place


def test_a_resource_that_comes_after_the_guard_was_built_stops_start_up():
    config = Configurator(settings=MemoryIssuer().settings)
    config.include("pyramid_oauthguard")
    config.commit()
    config.add_protected_resource("/mcp", MCP)
    assert "before the first commit" in str(find_setting_error(config.commit))


# ── Documents and challenges ─────────────────────────────────────────────────────────────────────────────────────


def test_each_resource_has_its_document(issuer):
    app = build(issuer)
    assert ask(app, f"{PLACE}/mcp").json == {
        "resource": MCP,
        "authorization_servers": ["https://issuer.test"],
        "bearer_methods_supported": ["header"],
        "resource_name": "Customers",
        "resource_documentation": "https://docs.test/mcp",
    }
    assert ask(app, f"{PLACE}/mcp/admin").json["resource"] == f"{MCP}/admin"
    assert ask(app, PLACE).json["resource"] == API
    assert [find_status(app, f"{PLACE}{path}") for path in ("/mcp2", "/mcp/tools", "/api")] == [404, 404, 404]


def test_each_challenge_points_to_the_document_of_its_resource(issuer):
    app = build(issuer)
    named = {path: ask(app, path).headers["WWW-Authenticate"].rpartition("resource_metadata=")[2] for path in
             ("/api", "/mcp2", "/mcp", "/mcp/tools", "/mcp/admin/x")}  # fmt: skip
    assert named == {
        "/api": f'"{API}{PLACE}"',
        "/mcp2": f'"{API}{PLACE}"',
        "/mcp": f'"{API}{PLACE}/mcp"',
        "/mcp/tools": f'"{API}{PLACE}/mcp"',
        "/mcp/admin/x": f'"{API}{PLACE}/mcp/admin"',
    }
    too_little = build(issuer, lambda config: add(config, "/mcp/w", token_require="w"))
    challenge = ask(too_little, "/mcp/w", issuer.mint(aud=MCP)).headers["WWW-Authenticate"]
    assert f'scope="w", resource_metadata="{API}{PLACE}/mcp"' in challenge


def test_without_settings_for_the_whole_only_the_parts_have_documents(issuer):
    app = build_app(
        lambda config: (add(config, "/api", token_check="local"), add(config, "/mcp", token_check="local"),
                        config.add_protected_resource("/mcp", MCP)), issuer)  # fmt: skip
    assert ask(app, "/api").headers["WWW-Authenticate"] == BARE
    assert ask(app, "/mcp").headers["WWW-Authenticate"] == f'{BARE}, resource_metadata="{API}{PLACE}/mcp"'
    assert [find_status(app, f"{PLACE}{path}") for path in ("", "/mcp")] == [404, 200]


@pytest.mark.promise("GD-72")
def test_nothing_of_a_request_gets_into_documents_and_challenges(issuer):
    app = build(issuer)
    forged = {
        "Host": "evil.test:666",
        "X-Forwarded-Host": "evil.test",
        "X-Forwarded-Proto": "gopher",
        "X-Forwarded-Prefix": "/evil",
        "Forwarded": "host=evil.test;proto=gopher",
    }
    for environ in {}, {"SCRIPT_NAME": "/evil"}:
        for path in ("/mcp", f"{PLACE}/mcp", PLACE):
            plain, changed = app.get(path, status="*"), app.get(path, headers=forged, extra_environ=environ, status="*")
            if environ and path != "/mcp":
                assert changed.status_int in {200, 404}
                continue
            assert (changed.body, changed.headerlist) == (plain.body, plain.headerlist)
            assert "evil" not in changed.text


@pytest.mark.parametrize(
    ("mount", "path"),
    [
        ("", f"{PLACE}/shop/mcp"),
        ("/shop", f"{PLACE}/mcp"),
        (PLACE, "/shop/mcp"),
        (f"{PLACE}/shop", "/mcp"),
        (f"{PLACE}/shop/mcp", ""),
    ],
)
def test_the_document_is_found_under_a_mount_point(issuer, mount, path):
    app = build_app(lambda config: config.add_protected_resource("/mcp", "https://api.test/shop/mcp"), issuer)
    answer = app.get("/", extra_environ={"SCRIPT_NAME": mount, "PATH_INFO": path})
    assert answer.json["resource"] == "https://api.test/shop/mcp"


@pytest.mark.parametrize(("path", "status"), [("/mcp", 200), ("/api", 401)])
def test_a_prefix_is_below_the_mount_point(issuer, path, status):
    environ = {"SCRIPT_NAME": "/mcp", "PATH_INFO": path}
    request = Request.blank("/", environ=environ, headers=bearer(issuer.mint(aud=MCP)))
    assert request.get_response(build(issuer).app).status_int == status


def test_a_route_prefix_comes_before_the_prefix(issuer):
    def include(config: Configurator) -> None:
        config.add_protected_resource("/mcp", "https://api.test/v1/mcp")
        add(config, "/mcp", token_check="local")

    app = build_app(lambda config: config.include(include, route_prefix="/v1"), issuer)
    assert find_status(app, "/v1/mcp", issuer.mint(aud="https://api.test/v1/mcp")) == 200
    assert find_status(app, "/v1/mcp", issuer.mint()) == 401


class Ledger:
    __acl__ = ((Allow, "scope:ledger", "read"), (Allow, "client:robot", "read"), (Allow, "system.Everyone", "look"))

    def __init__(self, request: Any) -> None:
        pass


def test_the_document_names_the_scopes_of_the_views_under_its_resource(issuer):
    def configure(config: Configurator) -> None:
        add(config, "/mcp/a", token_require="read write")
        add(config, "/mcp/b", token_require={"any_scope": "read audit", "client": "x"})
        add(config, "/mcp/c", token_require="offline_access")
        config.add_route("ledger", "/mcp/ledger/{id}", factory=Ledger)
        config.add_view(tell, route_name="ledger", permission="read")
        config.add_view(tell, route_name="ledger", request_method="HEAD", permission="look")
        add(config, "/mcp/admin/d", token_require="admin")
        add(config, "/e", token_require="whole")
        config.add_protected_resource("/named", f"{API}/named", scopes="two one two")

    app = build(issuer, configure)
    named = {path: ask(app, PLACE + path).json.get("scopes_supported") for path in ("", "/mcp", "/mcp/admin", "/named")}
    assert named == {
        "": ["whole"],
        "/mcp": ["audit", "ledger", "read", "write"],
        "/mcp/admin": ["admin"],
        "/named": ["two", "one"],
    }


def test_the_settings_name_and_document_the_whole_application():
    page = "https://docs.test/"
    given = {"oauthguard.resource_name": "Shop", "oauthguard.resource_documentation": page}
    app = build(MemoryIssuer(), **given)
    document = ask(app, PLACE).json
    assert (document["resource_name"], document["resource_documentation"]) == ("Shop", page)


def test_check_lists_the_resources(issuer):
    app = build(issuer, lambda config: config.add_protected_resource("/tools", f"{API}/other"))
    findings = [each for each in judge_guard(app.app.registry) if each.subject.startswith("resource ")]
    said = {each.subject: (each.level, each.text) for each in findings}
    assert said[f"resource {MCP}"][0] == "ok"
    assert "/mcp" in said[f"resource {MCP}"][1]
    level, text = said[f"resource {API}/other"]
    assert level == "warning"
    assert "/tools" in text


# ── scope_implies ────────────────────────────────────────────────────────────────────────────────────────────────


def imply(lines: str, configure: Any = None, issuer: MemoryIssuer | None = None, **options: Any) -> TestApp:
    return build_app(configure, issuer, settings={"oauthguard.scope_implies": lines}, **options)


@pytest.mark.promise("GD-73")
def test_a_scope_contains_others_in_every_check(issuer):
    seen = []

    def look(request: Any) -> dict[str, Any]:
        seen.append(request.access_token)
        return {"principals": sorted(request.registry.oauthguard.list_principals(request, request.access_token))}

    def configure(config: Configurator) -> None:
        add(config, "/all", token_require="read list")
        add(config, "/any", token_require={"any_scope": "list other"})
        add(config, "/acl", token_check="local", permission="read")
        add(config, "/look", look, token_check="remote")
        add(config, "/inside", lambda request: bool(require(request, scope="read")), token_check="local")

    app = imply("admin = write\nwrite = read list", configure, issuer)
    token = issuer.mint(scope="admin")
    assert [find_status(app, path, token) for path in ("/all", "/any", "/acl", "/inside")] == [200] * 4
    assert [find_status(app, path, issuer.mint(scope="list")) for path in ("/all", "/any")] == [403, 200]
    principals = ask(app, "/look", token).json["principals"]
    assert [each for each in principals if each.startswith("scope:")] == [
        "scope:admin", "scope:list", "scope:read", "scope:write",
    ]  # fmt: skip
    (found,) = seen
    assert found.scopes == {"admin"}
    assert found.implied_scopes == {"write", "read", "list"}
    assert found.can("read")
    assert found.can_all("read", "admin")
    assert found.can_any("none", "list")
    assert not found.can("root")
    assert not found.can_all("read", "root")


def test_a_verifier_of_the_application_need_not_know_it(issuer):
    plain = build_app(lambda config: add(config, "/a", token_check="local"), issuer)
    token = issuer.mint(scope="write")

    class Own:
        def verify(self, raw: str) -> Any:
            from tests.guard.verifying import find_verifier

            return find_verifier(plain.app.registry).verify(raw)

    def configure(config: Configurator) -> None:
        config.set_token_verifier("local", Own())
        add(config, "/read", token_require="read")

    assert find_status(imply("write = read", configure, issuer), "/read", token) == 200


@pytest.mark.promise("GD-73")
@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ("a = b\nb = a", "circular"),
        ("a = a", "circular"),
        ("a = b\nb = c\nc = d a", "circular"),
        ("a", "must be lines"),
        ("a =", "must be lines"),
        ("a b = c", "must be lines"),
        ("= c", "must be lines"),
        ("a = b\na = c", "two lines for a"),
        ('a = "', "must be without quotes"),
    ],
)
def test_wrong_lines_stop_start_up(lines, text):
    error = find_setting_error(lambda: imply(lines))
    assert error.key == "oauthguard.scope_implies"
    assert text in str(error)


# ── guard.require ────────────────────────────────────────────────────────────────────────────────────────────────


def run_tool(request: Any) -> dict[str, Any]:
    return {"subject": require(request, scope="write log", any_scope="a b").subject}


@pytest.mark.parametrize("options", [{}, {"token_check": "local"}, {"token_check": "remote"}, {"permission": "enter"}])
def test_require_answers_as_the_view_option_does(issuer, options):
    def configure(config: Configurator) -> None:
        add(config, "/tool", run_tool, **options)
        add(config, "/view", token_require={"scope": "write log", "any_scope": "a b"})

    app = build_app(configure, issuer)
    unguarded = ("bad", None) if not options else ()  # a guarded view refuses these before it reads what the tool wants
    for raw in *unguarded, issuer.mint(scope="write"), issuer.mint(scope="write log"), issuer.mint():
        inside, outside = ask(app, "/tool", raw), ask(app, "/view", raw)
        assert (inside.status_int, inside.body) == (outside.status_int, outside.body)
        assert inside.headers["WWW-Authenticate"] == outside.headers["WWW-Authenticate"]
        assert inside.headers["Cache-Control"] == "no-store"
    assert find_status(app, "/tool", issuer.mint(scope="write log a")) == 200


def test_the_challenge_names_the_scopes_of_view_and_tool_at_once(issuer):
    app = build_app(lambda config: add(config, "/tool", run_tool, token_require="mcp"), issuer)
    challenge = ask(app, "/tool", issuer.mint(scope="mcp")).headers["WWW-Authenticate"]
    assert 'error="insufficient_scope"' in challenge
    assert 'scope="write log a b mcp"' in challenge


def test_an_outage_in_require_is_503(issuer):
    app = build_app(lambda config: add(config, "/tool", run_tool), issuer)
    issuer.go_down()
    answer = ask(app, "/tool", issuer.mint(scope="write log a"))
    assert (answer.status_int, "Retry-After" in answer.headers) == (503, True)


def test_an_unknown_requirement_is_an_error_of_the_application(issuer):
    app = build_app(lambda config: add(config, "/tool", lambda request: require(request, scop="a")), issuer)
    with pytest.raises(Exception, match="'scop' is not a requirement"):
        ask(app, "/tool", issuer.mint())


def test_a_requirement_of_the_application_works_in_require(issuer):
    def require_even(value: Any) -> Any:
        def check(token: Any) -> None:
            if len(token.subject) % 2:
                raise InsufficientScope("odd")

        return check

    def configure(config: Configurator) -> None:
        config.add_token_requirement("even", require_even)
        add(config, "/tool", lambda request: {"a": require(request, even=True).subject})

    app = build_app(configure, issuer)
    assert [find_status(app, "/tool", issuer.mint(sub=name)) for name in ("ada", "adam")] == [403, 200]


def test_explain_says_where_a_token_is_accepted(issuer):
    app = build(issuer)
    for aud, places in ((MCP, "accepted under /mcp"), ([API, f"{MCP}/admin"], "accepted under / /mcp/admin")):
        assert explain_token(app.app.registry, issuer.mint(aud=aud), "local").text.endswith(places)
