"""TokensUnder: access tokens under some paths, a session policy everywhere else; the path decides, never a header."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from pyramid.authentication import SessionAuthenticationHelper
from pyramid.authorization import ACLHelper, Allow, Authenticated, Everyone
from pyramid.httpexceptions import HTTPForbidden
from pyramid.interfaces import ISecurityPolicy
from pyramid.response import Response
from pyramid.security import view_execution_permitted
from pyramid.session import JSONSerializer, SignedCookieSessionFactory
from pyramid.view import render_view_to_response
from webtest import TestApp

from pyramid_oauthguard.guard import OAuthSecurityPolicy, TokensUnder, csrf_callback
from pyramid_oauthguard.guard.self_check import judge_guard
from pyramid_oauthguard.testing import MemoryIssuer
from tests.documentation import find_blocks, read_page
from tests.guard.guarding import add, ask, build_app, find_setting_error, find_status, tell

OFF = {"oauthguard.policy": "off"}


@pytest.fixture
def issuer() -> MemoryIssuer:
    return MemoryIssuer()


class SessionPolicy:
    """What the cookie says. It counts how often it is asked who the caller is."""

    def __init__(self) -> None:
        self.helper, self.acl, self.asked = SessionAuthenticationHelper(), ACLHelper(), 0

    def identity(self, request: Any) -> Any:
        userid = self.authenticated_userid(request)
        return None if userid is None else {"name": userid}

    def authenticated_userid(self, request: Any) -> Any:
        self.asked += 1
        return self.helper.authenticated_userid(request)

    def permits(self, request: Any, context: Any, permission: str) -> Any:
        userid = self.authenticated_userid(request)
        principals = {Everyone} if userid is None else {Everyone, Authenticated, f"session:{userid}"}
        return self.acl.permits(context, frozenset(principals), permission)

    def remember(self, request: Any, userid: Any, **kw: Any) -> Any:
        return self.helper.remember(request, userid, **kw)

    def forget(self, request: Any, **kw: Any) -> Any:
        return self.helper.forget(request, **kw)


class Place:
    """A resource tree that has every name, which only some may see. It is the factory of routes, too."""

    __acl__ = ((Allow, "scope:read", "read"), (Allow, "session:ada", ("read", "account")))

    def __init__(self, request: Any = None) -> None:
        pass

    def __getitem__(self, name: str) -> Place:
        return Place()


def who(request: Any) -> dict[str, Any]:
    identity = request.identity
    return {"userid": request.authenticated_userid, "identity": type(identity).__name__}


def build(configure: Any = None, *prefixes: str, issuer: MemoryIssuer | None = None, **options: Any) -> TestApp:
    def compose(config: Any) -> None:
        config.set_session_factory(SignedCookieSessionFactory("key", serializer=JSONSerializer()))
        config.set_security_policy(TokensUnder(*(prefixes or ("/api/",)), other=SessionPolicy()))
        config.add_route("in", "/in")
        config.add_view(sign_in, route_name="in")
        if configure is not None:
            configure(config)

    return build_app(compose, issuer, settings=OFF, root_factory=Place, **options)


def sign_in(request: Any) -> Response:
    request.response.headerlist.extend(request.registry.getUtility(ISecurityPolicy).remember(request, "ada"))
    return request.response


def signed_in(app: TestApp) -> TestApp:
    browser = TestApp(app.app)
    browser.get("/in")
    return browser


def count(app: TestApp) -> int:
    policy = app.app.registry.queryUtility(ISecurityPolicy)
    return int(policy.other.asked)


def add_pages(config: Any) -> None:
    for path in ("/api", "/api/", "/api/orders", "/api2", "/apis/x", "/account", "/API/", "/", "/v2/x", "/ä"):
        config.add_route(path, path)
        config.add_view(who, route_name=path, renderer="json", permission="read")


@pytest.mark.promise("GD-20")
def test_a_forbidden_view_that_answers_the_exception_as_it_is_gives_the_answers_of_the_guard(issuer):
    """Such as Cornice's. What the other policy refuses stays as it was."""

    def configure(config: Any) -> None:
        config.add_view(lambda forbidden, request: forbidden, context=HTTPForbidden)
        add_pages(config)

    app = build(configure, issuer=issuer)
    assert ask(app, "/api/orders").headers["WWW-Authenticate"] == 'Bearer realm="api", scope="read"'
    assert find_status(app, "/api/orders", issuer.mint_expired()) == 401
    assert find_status(app, "/api/orders", issuer.mint(scope="other")) == 403
    assert find_status(app, "/api/orders", issuer.mint(scope="read")) == 200
    response = ask(app, "/account", issuer.mint(scope="read"))
    assert (response.status_int, response.headers.get("WWW-Authenticate")) == (403, None)


# ── which policy decides ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/orders", "/%61pi/", "/api%2Forders"])
def test_under_the_prefix_a_token_counts_and_a_session_is_never_asked(issuer, path):
    app = build(add_pages, issuer=issuer)
    browser = signed_in(app)
    assert find_status(browser, path) == 401
    answer = ask(browser, path, issuer.mint(scope="read", sub="bob"))
    assert answer.json == {"userid": "bob", "identity": "AccessToken"}
    assert find_status(browser, path, issuer.mint_expired()) == 401
    assert count(app) == 0


@pytest.mark.parametrize("path", ["/api2", "/apis/x", "/account", "/API/", "/", "/v2/x", "/%C3%A4"])
def test_elsewhere_a_session_counts_and_a_token_gives_nothing(issuer, path):
    app = build(add_pages, issuer=issuer)
    token = issuer.mint(scope="read account", sub="bob")
    assert find_status(app, path, token) == 403
    answer = ask(signed_in(app), path, token)
    assert answer.json == {"userid": "ada", "identity": "dict"}


def test_several_prefixes_of_one_object(issuer):
    app = build(add_pages, "/api/orders", "/v2", "/ä/", issuer=issuer)
    token = issuer.mint(scope="read")
    assert [find_status(app, path, token) for path in ("/api/orders", "/v2/x", "/%C3%A4")] == [200] * 3
    assert [find_status(app, path, token) for path in ("/api", "/api/", "/api2", "/")] == [403] * 4


def add_tree(config: Any) -> None:
    config.add_view(who, context=Place, renderer="json", permission="read")
    config.add_view(who, context=Place, name="rest", renderer="json", permission="read")


@pytest.mark.parametrize("path", ["/api/x", "//api/x", "/api//x", "///api", "/./api/x", "/x/./../api/y"])
def test_traversal_below_the_prefix_takes_tokens_in_every_spelling(issuer, path):
    app = build(add_tree, issuer=issuer)
    assert find_status(signed_in(app), path) in (401, 403)
    assert count(app) == 0


@pytest.mark.parametrize(
    "path",
    [
        "/api/../account",
        "/api/x/../../account",
        "/x/../api/orders",
        "/x/%2e%2e/api/orders",
        "/api/%2E%2E/account",
        "/..//x/../api/..//account/../api/y",
    ],
)
def test_a_path_with_two_readings_is_judged_by_neither_policy(issuer, path):
    app = build(add_tree, issuer=issuer)
    browser = signed_in(app)
    assert find_status(browser, path, issuer.mint(scope="read")) == 403
    assert find_status(browser, path) == 403
    assert count(app) == 0


@pytest.mark.parametrize(("path", "root"), [("/x", "/api"), ("/", "/api/x"), ("/../api/x", "/y"), ("/api/x", "/y")])
def test_a_virtual_root_that_the_caller_names_does_not_move_the_path_below_the_prefix(issuer, path, root):
    app = build(add_tree, issuer=issuer)
    browser = signed_in(app)
    assert find_status(browser, path, X_Vhm_Root=root) == 403
    assert find_status(browser, path, issuer.mint(scope="read"), X_Vhm_Root=root) == 403
    assert count(app) == 0


def test_a_line_feed_after_the_path_does_not_lead_out_of_the_prefix(issuer):
    """A route's pattern matches it, because `$` matches before a line feed."""
    app = build(add_pages, issuer=issuer)
    browser = signed_in(app)
    assert [find_status(browser, path) for path in ("/api%0A", "/api/orders%0A", "/api/%0A")] == [403, 401, 401]
    assert count(app) == 0


def test_without_a_route_or_a_view_pages_stay_what_they_were(issuer):
    app = build(add_pages, issuer=issuer)
    assert find_status(app, "/nowhere") == 404
    assert find_status(app, "/api/nowhere", "bad") == 404


def test_the_application_below_a_mount_point(issuer):
    """As everywhere in Pyramid, the prefix is below SCRIPT_NAME."""
    app = build(add_pages, issuer=issuer)
    for script in ("/mounted", "/api"):
        assert app.get("/account", extra_environ={"SCRIPT_NAME": script}, status="*").status_int == 403, script
        # WebTest takes SCRIPT_NAME off the path only where the path begins with it.
        path = "/api/api/orders" if script == "/api" else "/api/orders"
        assert app.get(path, extra_environ={"SCRIPT_NAME": script}, status="*").status_int == 401


# ── the whole of a security policy ───────────────────────────────────────────────────────────────────────────────


def test_who_is_signed_in_is_remembered_and_forgotten_by_the_other_policy_at_every_path(issuer):
    def configure(config):
        for path in ("/api/leave", "/leave", "/api/enter", "/home"):
            config.add_route(path, path)
        for path in ("/api/leave", "/leave"):
            config.add_view(leave, route_name=path)
        config.add_view(sign_in, route_name="/api/enter")
        config.add_view(who, route_name="/home", renderer="json")

    def leave(request):
        request.response.headerlist.extend(request.registry.getUtility(ISecurityPolicy).forget(request))
        return request.response

    app = build(configure, issuer=issuer)
    for enter, out in (("/in", "/api/leave"), ("/api/enter", "/leave")):
        browser = TestApp(app.app)
        browser.get(enter)
        assert browser.get("/home").json["userid"] == "ada"
        browser.get(out)
        assert browser.get("/home").json["userid"] is None


def test_effective_principals_and_handles(issuer):
    policy = TokensUnder("/api/", other=SessionPolicy())

    def tell_policy(request):
        return {"handles": policy.handles(request), "principals": sorted(policy.effective_principals(request))}

    def configure(config):
        for path in ("/api/x", "/x", "/api/../x"):
            config.add_route(path, path)
            config.add_view(tell_policy, route_name=path, renderer="json")

    app = build(configure, issuer=issuer)
    token = issuer.mint(scope="read", sub="bob", client_id="shop")
    known = ["client:shop", "scope:read", "system.Authenticated", "system.Everyone", "user:bob"]
    assert ask(app, "/api/x", token).json == {"handles": True, "principals": known}
    assert ask(app, "/api/x").json == {"handles": True, "principals": ["system.Everyone"]}
    assert ask(app, "/x", token).json == {"handles": False, "principals": ["system.Everyone"]}
    assert ask(app, "/api/../x", token).json == {"handles": False, "principals": ["system.Everyone"]}


def test_the_other_policys_principals_are_its_own(issuer):
    class Knowing(SessionPolicy):
        def effective_principals(self, request):
            return ["system.Everyone", "group:staff"]

    policy = TokensUnder("/api/", other=Knowing())

    def configure(config):
        add(config, "/x", lambda request: sorted(policy.effective_principals(request)))

    assert ask(build(configure, issuer=issuer), "/x").json == ["group:staff", "system.Everyone"]


def test_an_outage_is_503_and_answers_are_kept_by_no_cache(issuer):
    app = build(add_pages, issuer=issuer)
    token = issuer.mint(scope="read")
    answer = ask(app, "/api/orders", token)
    assert (answer.headers["Vary"], answer.headers["Cache-Control"]) == ("Authorization", "no-store")
    assert "Vary" not in ask(signed_in(app), "/account").headers
    down = build(add_pages, issuer=(other := MemoryIssuer()))
    raw = other.mint(scope="read")
    with other.outage():
        answer = ask(down, "/api/orders", raw)
    assert answer.status_int == 503
    assert "Retry-After" in answer.headers


def test_a_bearer_token_frees_from_csrf_checks_under_the_prefix_only(issuer):
    def configure(config):
        config.set_default_csrf_options(require_csrf=True, callback=csrf_callback)
        for path in ("/api/x", "/x"):
            config.add_route(path, path)
            config.add_view(who, route_name=path, renderer="json", request_method="POST")

    app = build(configure, issuer=issuer)
    token = issuer.mint(sub="bob")
    assert ask(app, "/api/x", token, method="POST").json["userid"] == "bob"
    assert ask(app, "/api/x", method="POST").status_int == 400
    assert ask(signed_in(app), "/x", token, method="POST").status_int == 400


class Logged:
    """A policy around another one, as an application writes it to log or to count."""

    def __init__(self, inner: Any) -> None:
        self.keep(inner)

    def keep(self, inner: Any) -> None:
        self.inner = inner

    def find(self) -> Any:
        return self.inner

    def identity(self, request: Any) -> Any:
        return self.find().identity(request)

    def authenticated_userid(self, request: Any) -> Any:
        return self.find().authenticated_userid(request)

    def permits(self, request: Any, context: Any, permission: str) -> Any:
        return self.find().permits(request, context, permission)

    def remember(self, request: Any, userid: Any, **kw: Any) -> Any:
        return self.find().remember(request, userid, **kw)

    def forget(self, request: Any, **kw: Any) -> Any:
        return self.find().forget(request, **kw)


class Listed(Logged):
    def keep(self, inner: Any) -> None:
        self.policies = [SessionPolicy(), inner]

    def find(self) -> Any:
        return self.policies[1]


class Slotted(Logged):
    __slots__ = ("kept",)

    def keep(self, inner: Any) -> None:
        self.kept = inner

    def find(self) -> Any:
        return self.kept


WRAPPED = [Logged, Listed, Slotted, lambda inner: Logged(Listed(inner))]


@pytest.mark.parametrize("wrap", WRAPPED)
def test_a_policy_around_the_composition_does_not_free_a_session_from_csrf_checks(issuer, wrap):
    def configure(config):
        config.set_security_policy(wrap(TokensUnder("/api/", other=SessionPolicy())))
        config.set_default_csrf_options(require_csrf=True, callback=csrf_callback)
        for path in ("/api/x", "/x"):
            config.add_route(path, path)
            config.add_view(who, route_name=path, renderer="json", request_method="POST")
        config.add_route("in", "/in")
        config.add_view(sign_in, route_name="in")
        config.set_session_factory(SignedCookieSessionFactory("key", serializer=JSONSerializer()))

    app = build_app(configure, issuer, settings=OFF, root_factory=Place)
    token = issuer.mint(sub="bob")
    assert ask(app, "/api/x", token, method="POST").json["userid"] == "bob"
    assert ask(signed_in(app), "/x", token, method="POST").status_int == 400


@pytest.mark.parametrize("wrap", WRAPPED)
@pytest.mark.parametrize("inner", [OAuthSecurityPolicy(), TokensUnder("/v2/", other=SessionPolicy())])
def test_a_policy_that_hides_access_tokens_is_refused_as_the_other_one(wrap, inner):
    error = find_setting_error(lambda: TokensUnder("/api/", other=wrap(inner)))
    assert "other takes access tokens too" in str(error)


@pytest.mark.parametrize("wrap", WRAPPED)
def test_a_token_view_elsewhere_stops_start_up_with_a_policy_around_the_composition(issuer, wrap):
    def configure(config):
        config.set_security_policy(wrap(TokensUnder("/api/", other=SessionPolicy())))
        add(config, "/orders", token_check="local")

    error = find_setting_error(lambda: build_app(configure, issuer, settings=OFF))
    assert "/orders requires a token" in str(error)


# ── views that want a token ──────────────────────────────────────────────────────────────────────────────────────


def test_views_that_want_a_token_work_under_the_prefix(issuer):
    def configure(config):
        add(config, "/api/local", token_check="local", permission="read")
        add(config, "/api/remote", token_check="remote")
        add(config, "/api/scoped", token_require="read")

    app = build(configure, issuer=issuer)
    browser = signed_in(app)
    token = issuer.mint(scope="read")
    for path, mode in (("/api/local", "local"), ("/api/remote", "remote"), ("/api/scoped", "local")):
        assert find_status(browser, path) == 401
        assert ask(browser, path, token).json["mode"] == mode
    assert count(app) == 0


@pytest.mark.slow
@pytest.mark.parametrize("option", [{"token_check": "local"}, {"token_require": "read"}, {"token_check": "remote"}])
@pytest.mark.parametrize(
    "pattern",
    ["/orders", "orders", "/orders/{id}", "/api2/{x}", "/ap{x}/orders", "/v{x:.*}", "/site/*rest", "/", "/API/x"],
)
def test_a_token_view_whose_route_is_elsewhere_stops_start_up(pattern, option):
    def configure(config):
        config.add_route("orders", pattern)
        config.add_view(tell, route_name="orders", renderer="json", **option)

    prefixes = ("/api/",) if pattern != "/ap{x}/orders" else ("/v1/",)
    error = find_setting_error(lambda: build(configure, *prefixes))
    assert error.key == "TokensUnder"
    assert "/" + pattern.lstrip("/") in error.problem
    assert "prefix" in error.hint


def test_a_route_prefix_is_part_of_the_place(issuer):
    def configure(config):
        with config.route_prefix_context("api"):
            add(config, "/orders", token_check="local")

    assert find_status(build(configure, issuer=issuer), "/api/orders", issuer.mint()) == 200


def open_to_everybody(config: Any) -> None:
    """Views whose place only a request tells, with a permission that a session has."""
    for pattern in ("/{area}/x", "/ap{x}", "/{all:.*}/end", "/:old/way"):
        config.add_route(pattern, pattern)
        config.add_view(tell, route_name=pattern, renderer="json", token_check="local", permission="read")
    config.add_view(tell, context=Place, renderer="json", name="rest", token_require="read")


@pytest.mark.parametrize("path", ["/other/x", "/apx", "/a/b/end", "/a/way", "/a/b/@@rest", "/api/../x/@@rest"])
def test_a_token_view_that_a_request_meets_elsewhere_is_refused(issuer, caplog, monkeypatch, path):
    monkeypatch.setattr(logging.getLogger("pyramid_oauthguard"), "disabled", False)  # other tests configure logging
    app = build(open_to_everybody, issuer=issuer)
    browser = signed_in(app)
    for raw in (None, issuer.mint(scope="read"), "bad"):
        answer = ask(browser, path, raw)
        assert answer.status_int == 403, path
        assert ask(app, path, raw).status_int == 403
    assert path.startswith("/api/..") or "TokensUnder" in caplog.text


@pytest.mark.parametrize("path", ["/api/x", "/api/b/end", "/api/way", "/api/b/@@rest"])
def test_a_token_view_that_a_request_meets_under_the_prefix_answers(issuer, path):
    app = build(open_to_everybody, issuer=issuer)
    assert find_status(app, path, issuer.mint(scope="read")) == 200
    assert find_status(signed_in(app), path) == 401


def test_a_page_does_not_reach_a_token_view_by_pyramids_other_ways(issuer):
    def render(request):
        answer = render_view_to_response(Place(), request, "rest", secure="secure" in request.params)
        return answer or Response("none")

    def permitted(request):
        return {"permitted": bool(view_execution_permitted(Place(), request, "rest"))}

    def configure(config):
        config.add_view(tell, context=Place, renderer="json", name="rest", token_check="local")
        for path in ("/api/", "/"):
            config.add_route(f"render {path}", f"{path}render")
            config.add_view(render, route_name=f"render {path}")
            config.add_route(f"ask {path}", f"{path}ask")
            config.add_view(permitted, route_name=f"ask {path}", renderer="json")

    app = build(configure, issuer=issuer)
    browser, token = signed_in(app), issuer.mint(sub="bob")
    for query in ("", "?secure"):
        assert find_status(browser, f"/render{query}", token) == 403
        assert ask(browser, f"/api/render{query}", token).json["subject"] == "bob"
    assert ask(browser, "/ask", token).json == {"permitted": False}
    assert ask(browser, "/api/ask", token).json == {"permitted": True}


def test_an_exception_view_that_wants_a_token_answers_under_the_prefix_only(issuer):
    class Broken(Exception):
        pass

    def fail(request):
        raise Broken

    def configure(config):
        for path in ("/api/x", "/x"):
            config.add_route(path, path)
            config.add_view(fail, route_name=path)
        config.add_exception_view(lambda error, request: Response("details"), context=Broken, token_check="local")

    app = build(configure, issuer=issuer)
    token = issuer.mint()
    assert ask(app, "/api/x", token).text == "details"
    assert [find_status(app, "/api/x"), find_status(app, "/x", token), find_status(signed_in(app), "/x")] == [
        401,
        403,
        403,
    ]


# ── start-up ─────────────────────────────────────────────────────────────────────────────────────────────────────


class OldPolicy:
    """As authentication policies of Pyramid 1 were."""

    def authenticated_userid(self, request): ...

    def unauthenticated_userid(self, request): ...

    def effective_principals(self, request): ...

    def remember(self, request, userid, **kw): ...

    def forget(self, request): ...


@pytest.mark.parametrize(
    ("prefixes", "other", "said"),
    [
        ((), SessionPolicy(), "needs a path prefix"),
        ((["/api/", "/v2/"],), SessionPolicy(), "one by one"),
        ((None,), SessionPolicy(), "one by one"),
        (("api/",), SessionPolicy(), "'api/' is not a path prefix"),
        (("",), SessionPolicy(), "not a path prefix"),
        (("/%61pi/",), SessionPolicy(), "not a path prefix"),
        (("/api?x",), SessionPolicy(), "not a path prefix"),
        (("/{tenant}/api",), SessionPolicy(), "not a path prefix"),
        (("/api/*",), SessionPolicy(), "not a path prefix"),
        (("/api/../x",), SessionPolicy(), "not a path prefix"),
        (("//api",), SessionPolicy(), "not a path prefix"),
        (("/api\n",), SessionPolicy(), "not a path prefix"),
        (("/v1", "/"), SessionPolicy(), "oauthguard.policy = on"),
        (("/api/",), SessionPolicy, "is the class SessionPolicy"),
        (("/api/",), None, "not a security policy"),
        (("/api/",), OldPolicy(), "has no identity, permits"),
        (("/api/",), OAuthSecurityPolicy(), "takes access tokens too"),
        (("/api/",), TokensUnder("/v2/", other=SessionPolicy()), "one TokensUnder"),
    ],
)
def test_what_makes_no_sense_is_refused_when_it_is_made(prefixes, other, said):
    error = find_setting_error(lambda: TokensUnder(*prefixes, other=other))
    assert error.key == "TokensUnder"
    assert said in str(error)


def test_the_guards_own_policy_has_to_be_off():
    def configure(config):
        config.set_security_policy(TokensUnder("/api/", other=SessionPolicy()))

    error = find_setting_error(lambda: build_app(configure))
    assert error.key == "oauthguard.policy"
    assert "oauthguard.policy = off" in error.hint
    assert "TokensUnder" in error.hint


def test_a_permission_committed_before_the_policy_stops_start_up():
    """Pyramid would ask nobody for it."""

    def configure(config):
        config.add_route("early", "/api/early")
        config.add_view(tell, route_name="early", renderer="json", permission="read")
        config.commit()
        config.set_security_policy(TokensUnder("/api/", other=SessionPolicy()))

    assert "permission" in find_setting_error(lambda: build_app(configure, settings=OFF)).problem


def test_check_says_where_tokens_count(issuer):
    app = build(open_to_everybody, "/api/", "/v2/", issuer=issuer)
    found = [finding for finding in judge_guard(app.app.registry) if "token" in finding.text]
    texts = [f"{finding.subject}: {finding.text}" for finding in found]
    assert "TokensUnder: access tokens count under /api/ /v2/ only, elsewhere SessionPolicy decides" in texts
    assert "/{area}/x: requires a token: refused at any other path" in texts
    assert "a view by traversal: requires a token: refused at any other path" in texts


def test_the_composition_in_the_docs_is_the_one_that_works(issuer):
    (code,) = [block for block in find_blocks(read_page("how-to/guard/pages"), "python") if "TokensUnder" in block]
    space: dict[str, Any] = {}
    exec(compile(code, "pages.md", "exec"), space)  # noqa: S102  # it is our own page

    def configure(config):
        config.set_session_factory(SignedCookieSessionFactory("key", serializer=JSONSerializer()))
        config.set_security_policy(TokensUnder("/api/", other=space["SessionPolicy"]()))
        for path in ("/api/x", "/x", "/in", "/out"):
            config.add_route(path, path)
        config.add_view(sign_in, route_name="/in")
        for path in ("/api/x", "/x"):
            config.add_view(who, route_name=path, renderer="json", permission="read")

    app = build_app(configure, issuer, settings=OFF, root_factory=Place)
    assert ask(signed_in(app), "/x").json["userid"] == "ada"
    assert find_status(app, "/x", issuer.mint(scope="read")) == 403
    assert find_status(signed_in(app), "/api/x") == 401
    assert ask(app, "/api/x", issuer.mint(scope="read", sub="bob")).json["userid"] == "bob"
