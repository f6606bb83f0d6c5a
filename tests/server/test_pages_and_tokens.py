"""Pages for users accept users, not tokens: a token with the scope `read` approved itself `read write admin`."""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pyramid.authentication import SessionAuthenticationHelper
from pyramid.events import NewRequest
from pyramid.httpexceptions import HTTPSeeOther
from pyramid.session import JSONSerializer, SignedCookieSessionFactory
from webtest import TestApp

from pyramid_oauthguard.guard import OAuthSecurityPolicy, TokensUnder, csrf_callback
from pyramid_oauthguard.guard.credentials.header import is_present
from pyramid_oauthguard.guard.self_check import judge_guard
from pyramid_oauthguard.server.clients import get_clients
from pyramid_oauthguard.server.consent.token_schemes import brings_token
from tests.guard.serving import serve
from tests.server.conftest import ISSUER, Build
from tests.server.flows import CALLBACK, LOOPBACK, Flow, build_flow, read_answer

PAGES = ("/oauth/authorize", "/oauth/device", "/oauth/applications")


class Sessions:
    """A session policy as Pyramid's documentation has it."""

    def __init__(self) -> None:
        self.helper = SessionAuthenticationHelper()

    def identity(self, request: Any) -> Any:
        return self.helper.authenticated_userid(request)

    def authenticated_userid(self, request: Any) -> Any:
        return self.helper.authenticated_userid(request)

    def permits(self, request: Any, context: Any, permission: str) -> bool:
        return self.authenticated_userid(request) is not None

    def remember(self, request: Any, userid: Any, **kw: Any) -> Any:
        return self.helper.remember(request, userid, **kw)

    def forget(self, request: Any, **kw: Any) -> Any:
        return self.helper.forget(request, **kw)


class ByHeader(Sessions):
    """The composition by header, which an application may have: a request with a token is the token's."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = OAuthSecurityPolicy()

    def authenticated_userid(self, request: Any) -> Any:
        if self.tokens.handles(request):
            return self.tokens.authenticated_userid(request)
        return super().authenticated_userid(request)


class Anybody(Sessions):
    """Takes whatever an Authorization header has for a user."""

    def authenticated_userid(self, request: Any) -> Any:
        return "anna" if "HTTP_AUTHORIZATION" in request.environ else super().authenticated_userid(request)


class Owner:
    """Pyramid's own answer to who is signed in. It notes each time that it is asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def user(self, request: Any) -> Any:
        self.asked.append(request.path)
        return request.authenticated_userid

    def sign_in(self, request: Any) -> Any:
        return HTTPSeeOther("/login")


class Site:
    """An application with guard, server and sessions, and its clients."""

    def __init__(self, build: Build, policy: Any, **more: str) -> None:
        self.owner = Owner()
        settings = {
            "oauthguard.issuer": ISSUER,
            "oauthguard.audience": "https://api.example",
            "oauthguard.policy": "off",
            **{f"oauthguard.{name}": value for name, value in more.items()},
        }

        def configure(config: Any) -> None:
            config.add_settings(settings)
            config.set_session_factory(SignedCookieSessionFactory("key", serializer=JSONSerializer()))
            if "token_source" in more:
                config.set_default_csrf_options(require_csrf=True, callback=csrf_callback)
            config.include("pyramid_oauthguard")
            config.set_security_policy(policy)
            config.set_resource_owner(self.owner)
            config.add_route("login", "/login")
            config.add_view(self.log_in, route_name="login", renderer="string")
            config.add_route("who", "/api/who")
            config.add_view(lambda request: request.authenticated_userid or "-", route_name="who", renderer="string")

        self.server = build(configure=configure)
        self.policy = policy
        clients = get_clients(self.server.registry)
        how = {"public": True, "scopes": ["read"]}
        self.small = clients.create("Small", grants=["authorization_code"], redirect_uris=[CALLBACK], **how)
        how["scopes"] = ["read", "write", "admin"]
        grants = ["authorization_code", "refresh_token", "device_code"]
        self.big = clients.create("Big", grants=grants, redirect_uris=[LOOPBACK], **how)
        self.flow = Flow(self.server, None, self.small, self.big)  # type: ignore[arg-type]  # it is not asked here

    def log_in(self, request: Any) -> str:
        request.response.headerlist.extend(self.policy.remember(request, "anna"))
        return "in"

    def sign_in(self) -> TestApp:
        browser = TestApp(self.server.app.app)
        browser.get("/login")
        return browser

    def narrow_token(self) -> str:
        """What Anna gave the small client: `read`, without a secret of a client."""
        asked = self.flow.ask(self.small, scope="read", redirect_uri=CALLBACK)
        page = self.sign_in().get("/oauth/authorize", asked)
        code = read_answer(page.form.submit("decision", value="allow"))["code"]
        answer = self.flow.redeem(code, self.small, redirect_uri=CALLBACK)
        assert answer["scope"] == "read"
        return str(answer["access_token"])


POLICIES = {"by header": ByHeader, "anybody": Anybody, "by path": lambda: TokensUnder("/api/", other=Sessions())}


@pytest.fixture(params=POLICIES)
def site(build: Build, request: pytest.FixtureRequest) -> Site:
    return Site(build, POLICIES[request.param]())


@pytest.mark.slow
@pytest.mark.promise("AS-52")
def test_a_token_does_not_approve_a_wider_one_for_itself(site: Site) -> None:
    headers = {"Authorization": f"Bearer {site.narrow_token()}"}
    thief = TestApp(site.server.app.app)
    asked = site.flow.ask(site.big, scope="read write admin", redirect_uri=LOOPBACK)
    site.owner.asked.clear()
    answer = thief.get("/oauth/authorize", asked, headers=headers)
    assert (answer.status_int, answer.location) == (303, "http://localhost/login")
    assert site.owner.asked == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "header",
    ["Bearer {}", "bearer {}", "BEARER  {}", "Bearer\t{}", " Bearer {}", "\tBearer {}", "Basic YTpi, Bearer {}", "Basic YTpi,bearer {}", "Bearer {}, Basic YTpi", "Basic YTpi;Bearer {}", "Basic YTpi Bearer {}", "DPoP {}", "dpop {}", "DPOP\t{}", "Basic YTpi, DPoP {}", "Bearer", "Bearer:{}", "Bearer{}", "Bearer\xa0{}", "\x85Bearer {}", "\x1cBearer {}", ",,,Bearer {}", "Bearer x, Bearer {}"],
)  # fmt: skip
def test_every_page_treats_a_request_with_a_token_as_signed_out(build: Build, header: str) -> None:
    site = Site(build, Anybody())
    headers = {"Authorization": header.format("ogat_abc")}
    browser = site.sign_in()
    asked = site.flow.ask(site.big, redirect_uri=LOOPBACK)
    pages = {
        "/oauth/authorize": browser.get("/oauth/authorize", asked),
        "/oauth/device": browser.get("/oauth/device"),
    }
    site.owner.asked.clear()
    for app in (browser, TestApp(site.server.app.app)):  # the session beside the token changes nothing
        for path in PAGES:
            query = asked if path == "/oauth/authorize" else {}
            assert app.get(path, query, headers=headers).location == "http://localhost/login", path
        for path, page in pages.items():
            form = {"ticket": page.form["ticket"].value, "user_code": "BBBB-BBBB"}
            answer = app.post(path, form, headers=headers, status=303)
            assert answer.location.startswith(f"http://localhost{path}?"), "the page again, where a user signs in"
            answer = app.post(path, {**form, "decision": "allow", "scope.read": "on"}, headers=headers, status="*")
            assert "Nothing was changed" in answer.text or answer.location.startswith(f"http://localhost{path}?")
        app.post("/oauth/applications", {"ticket": "x"}, headers=headers, status=400)
    assert site.owner.asked == []
    assert browser.get("/oauth/applications").status_int == 200, "without the token Anna is still signed in"


class Eager(ByHeader):
    """Asks for the token of each request before a view is found, as a tween for logs does."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Any] = []

    def note(self, event: Any) -> None:
        self.seen.append(event.request.authenticated_userid)


@pytest.mark.slow
@pytest.mark.promise("AS-52")
@pytest.mark.parametrize("asked_before", [False, True])
@pytest.mark.parametrize("place", ["Cookie", "X-Forwarded-Access-Token"])
def test_a_token_in_a_cookie_or_in_the_header_of_a_proxy_is_no_user_of_a_page(
    build: Build, place: str, asked_before: bool
) -> None:
    """The pages looked for tokens in the Authorization header only, and the guard found this one."""
    places = {"token_source": "header cookie:at header:X-Forwarded-Access-Token", "trusted_proxies": "127.0.0.1"}
    site = Site(build, Eager(), **places)
    token = site.narrow_token()
    headers = {place: f"at={token}" if place == "Cookie" else token}
    app = TestApp(site.server.app.app, extra_environ={"REMOTE_ADDR": "127.0.0.1"})
    if asked_before:
        site.server.registry.registerHandler(site.policy.note, (NewRequest,))
    assert app.get("/api/who", headers=headers).text == "anna", "it is a user of the API"
    asked = site.flow.ask(site.big, redirect_uri=LOOPBACK)
    for path in PAGES:
        answer = app.get(path, asked if path == "/oauth/authorize" else {}, headers=headers)
        assert answer.location == "http://localhost/login", path
    assert ("anna" in site.policy.seen) is asked_before

    browser = site.sign_in()  # a cookie is sent with every request: the session counts beside it
    browser.set_cookie("at", token)
    query = urlencode(site.flow.ask(site.big, redirect_uri=LOOPBACK, scope="read write"))
    answer = browser.get(f"/oauth/authorize?{query}").form.submit("decision", value="allow")
    assert site.flow.redeem(read_answer(answer)["code"], site.big)["scope"] == "read write"


@pytest.mark.slow
@pytest.mark.parametrize(
    "header", ["", "Basic YTpi", 'Digest username="a", uri="/x?bearer=1"', "Negotiate YII=", "Token x"]
)
def test_what_browsers_send_by_themselves_signs_nobody_out(build: Build, header: str) -> None:
    site = Site(build, Sessions())
    answer = site.sign_in().get("/oauth/applications", headers={"Authorization": header} if header else {})
    assert answer.status_int == 200


@pytest.mark.slow
def test_over_a_socket_a_second_authorization_header_is_seen(build: Build) -> None:
    site = Site(build, Anybody())
    with serve(site.server.app.app) as server:
        plain, token = b"Authorization: Basic YTpi", b"Authorization: Bearer ogat_abc"
        for headers in ([plain, token], [token, plain], [token], [b"authorization:Bearer\togat_abc"]):
            for path in (b"/oauth/applications", b"/oauth/device"):
                answer = server.ask(path, *headers)
                assert (answer.status, answer.headers["location"]) == (303, ["http://here/login"])
    assert site.owner.asked == []


@pytest.mark.slow
def test_the_log_says_why_somebody_is_signed_out(
    build: Build, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level("INFO", "pyramid_oauthguard")
    monkeypatch.setattr(
        logging.getLogger("pyramid_oauthguard.server"), "disabled", False
    )  # other tests configure logging
    site = Site(build, Anybody())
    site.server.app.get("/oauth/applications", headers={"Authorization": "Bearer ogat_s3cret", "X-Request-Id": "r1"})
    assert "request r1: a page for users was asked for with an access token" in caplog.text
    assert "s3cret" not in caplog.text


@pytest.mark.slow
def test_with_tokens_by_path_api_and_pages_share_one_application(build: Build) -> None:
    site = Site(build, POLICIES["by path"]())
    token = {"Authorization": f"Bearer {site.narrow_token()}"}
    browser = site.sign_in()
    assert TestApp(site.server.app.app).get("/api/who", headers=token).text == "anna"
    assert browser.get("/api/who").text == "-", "a session is not asked under the prefix"
    query = urlencode(site.flow.ask(site.big, redirect_uri=LOOPBACK, scope="read write"))
    answer = browser.get(f"/oauth/authorize?{query}").form.submit("decision", value="allow")
    assert site.flow.redeem(read_answer(answer)["code"], site.big)["scope"] == "read write"


@pytest.mark.slow
@given(st.lists(st.sampled_from([*"xb=,; \t\n\x85", "bearer", "Bearer ", "BEARER,", "Basic "])).map("".join))
@example("x, Bearer y")
@example("\nbearer")
@example("Bearer,")
def test_what_the_guard_takes_for_a_token_the_pages_take_for_one(header: str) -> None:
    if is_present(type("Request", (), {"environ": {"HTTP_AUTHORIZATION": header}})):
        assert brings_token(header)


@pytest.mark.slow
def test_check_warns_of_pages_under_a_prefix(build: Build) -> None:
    """There the session is not asked, so nobody would ever be signed in."""
    for prefix, warned in (("/api/", False), ("/oauth/", True), ("/oauth/token", False)):
        site = Site(build, TokensUnder(prefix, "/api/", other=Sessions()))
        found = [each for each in judge_guard(site.server.registry) if each.level == "warning" and "users" in each.text]
        assert bool(found) is warned, prefix
        assert {each.subject for each in found} <= set(PAGES)


@pytest.mark.slow
def test_the_flows_of_users_go_on_as_before(build: Build) -> None:
    flow = build_flow(build)
    assert flow.redeem(flow.allow())["access_token"]
