"""The guard beside other packages, in any order of includes: Cornice, pyramid_openapi3, pyramid_multiauth, one of the application's."""

from __future__ import annotations

import itertools
import warnings

import pytest
from pyramid import testing
from pyramid.authorization import Allow, Authenticated
from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPForbidden
from pyramid.interfaces import ISecurityPolicy
from pyramid.response import Response
from webtest import TestApp

with warnings.catch_warnings():  # of packages of other people, as they are imported
    warnings.simplefilter("ignore")
    import pyramid_multiauth
    from cornice import Service
    from cornice.service import clear_services

from pyramid_oauthguard.guard import OAuthSecurityPolicy, TokensUnder, forbidden_view
from pyramid_oauthguard.testing import MemoryIssuer, bearer, trust
from tests.guard.guarding import BARE, INVALID, ask, find_setting_error

SPEC = """
openapi: "3.1.0"
info: {title: API, version: "1"}
paths:
  /documented:
    get:
      parameters: [{name: limit, in: query, required: true, schema: {type: integer}}]
      responses:
        "200": {description: Good, content: {application/json: {schema: {type: object, required: [limit]}}}}
        "400": {description: Bad, content: {application/json: {schema: {type: array}}}}
"""


@pytest.fixture
def issuer():
    return MemoryIssuer()


@pytest.fixture
def spec(tmp_path):
    file = tmp_path / "openapi.yaml"
    file.write_text(SPEC)
    return file


class Root:
    __acl__ = ((Allow, "scope:read", "read"), (Allow, "ada", "own"), (Allow, Authenticated, "enter"))

    def __init__(self, request):
        pass


class HeaderPolicy:
    """A policy of an application's own: who the caller is stands in a header that a proxy sets."""

    def identity(self, request):
        return request.headers.get("X-User")

    authenticated_userid = identity

    def permits(self, request, context, permission):
        return request.headers.get("X-User") == "ada"

    def remember(self, request, userid, **kw):
        return []

    def forget(self, request, **kw):
        return []


def add_policy(config):
    config.set_security_policy(HeaderPolicy())


def add_forbidden_view(config):
    config.add_forbidden_view(lambda error, request: Response(f"mine: {error.status}", status=error.status_int))


def add_views(config):
    config.add_route("own", "/own")
    config.add_view(lambda request: {"who": request.authenticated_userid}, route_name="own", renderer="json")
    for name, options in (
        ("local", {"token_check": "local"}),
        ("remote", {"token_check": "remote", "token_require": "read"}),
        ("read", {"permission": "read"}),
    ):
        config.add_route(name, f"/{name}")
        config.add_view(lambda request: {}, route_name=name, renderer="json", **options)


def include_openapi(config, spec):
    config.include("pyramid_openapi3")
    config.pyramid_openapi3_spec(str(spec))
    config.add_route("documented", "/documented")
    config.add_view(
        lambda request: {"limit": request.openapi_validated.parameters.query["limit"]},
        route_name="documented",
        renderer="json",
        openapi=True,
        token_check="local",
    )


def add_service(config):
    service = Service(name="orders", path="/orders", cors_origins=("https://app.example",), factory=Root)
    service.add_view("GET", lambda request: {"sub": request.access_token.subject}, permission="read")
    service.add_view("POST", lambda request: {"ok": 1}, token_check="local", token_require="read")
    config.add_cornice_service(service)


@pytest.fixture
def build(issuer, spec):
    """A function that starts an application whose parts are included in this order."""
    parts = {
        "guard": lambda config: config.include("pyramid_oauthguard"),
        "cornice": lambda config: config.include("cornice"),
        "openapi": lambda config: config.include(lambda each: include_openapi(each, spec)),
        "multiauth": lambda config: config.include("pyramid_multiauth"),
        "policy": lambda config: config.include(add_policy),
        "forbidden view": lambda config: config.include(add_forbidden_view),
        "views": lambda config: config.include(add_views),
    }

    def make(order, **settings):
        config = Configurator(settings={**issuer.settings, **settings}, root_factory=Root)
        for part in order:
            parts[part](config)
        if "cornice" in order:
            add_service(config)
        app = config.make_wsgi_app()
        trust(app, issuer)
        return TestApp(app)

    yield make
    clear_services()


#: What a 401 says of a view that requires the scope `read`.
READ = ', scope="read"'


def permute(*parts):
    """Every order, with its parts as the name of the test; views are last, for the predicates have to be known."""
    return [pytest.param((*order, "views"), id=" ".join(order)) for order in itertools.permutations(parts)]


@pytest.mark.parametrize("order", permute("guard", "cornice", "openapi"))
def test_beside_cornice_and_openapi_each_refusal_is_the_guard_s(build, issuer, order):
    app = build(order)
    token = issuer.mint(scope="read")
    for path in ("/local", "/remote", "/read", "/orders", "/documented?limit=1"):
        needed = "" if path == "/local" or "documented" in path else READ
        answer = ask(app, path)
        assert (answer.status_int, answer.headers["WWW-Authenticate"]) == (401, BARE + needed), path
        assert answer.content_type == "application/problem+json"
        answer = ask(app, path, issuer.mint_expired())
        assert (answer.status_int, answer.headers["WWW-Authenticate"]) == (401, INVALID + needed), path
        assert ask(app, path, token).status_int == 200, path
    assert ask(app, "/orders", issuer.mint(scope="other")).status_int == 403
    assert 'scope="read"' in ask(app, "/orders", issuer.mint(scope="other")).headers["WWW-Authenticate"]
    assert ask(app, "/documented?limit=x", token).status_int == 400
    assert ask(app, "/documented?limit=x").status_int == 401, "who may not call is not told what is wrong with the call"
    assert app.get("/%ff", status="*").status_int == 400
    with issuer.outage():
        answer = ask(app, "/remote", issuer.mint(scope="read"))
        assert (answer.status_int, answer.headers["Retry-After"]) == (503, "5")


@pytest.mark.parametrize("order", permute("guard", "cornice"))
def test_a_page_of_an_allowed_origin_reads_the_refusal_of_a_cornice_service(build, issuer, order):
    app = build(order)
    origin = {"Origin": "https://app.example"}
    for method in ("GET", "POST"):
        answer = ask(app, "/orders", method=method, **origin)
        assert answer.status_int == 401
        assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example"
        assert answer.headers["WWW-Authenticate"] == BARE + READ
    preflight = {**origin, "Access_Control_Request_Method": "POST", "Access_Control_Request_Headers": "authorization"}
    assert ask(app, "/orders", method="OPTIONS", **preflight).status_int == 200
    assert ask(app, "/orders", method="PUT", **origin).status_int == 405


@pytest.mark.parametrize("order", permute("guard", "forbidden view", "openapi"))
def test_a_forbidden_view_of_an_include_answers_whatever_the_order(build, issuer, order):
    app = build(order)
    answer = ask(app, "/local")
    assert (answer.status_int, answer.text) == (401, "mine: 401 Unauthorized")
    assert {"Vary", "Cache-Control"} <= set(answer.headers)
    assert ask(app, "/read", issuer.mint(scope="other")).text == "mine: 403 Forbidden"
    with issuer.outage():
        assert ask(app, "/remote", issuer.mint(scope="read")).status_int == 503


OFF = {"oauthguard.policy": "off"}


@pytest.mark.parametrize("order", permute("guard", "policy", "forbidden view", "cornice"))
def test_a_policy_of_an_include_decides_where_the_guard_s_is_off(build, issuer, order):
    app = build(order, **OFF, handle_exceptions=False)  # Cornice's own forbidden view is in conflict with the other one
    assert ask(app, "/own", X_User="ada").json == {"who": "ada"}
    assert ask(app, "/read", X_User="ada").status_int == 200
    assert ask(app, "/read", issuer.mint(scope="read")).status_int == 403
    assert ask(app, "/local", X_User="ada").status_int == 401
    assert ask(app, "/remote", issuer.mint(scope="read")).status_int == 200


@pytest.mark.parametrize("order", permute("guard", "multiauth", "cornice", "openapi"))
def test_beside_multiauth_the_marks_want_a_token(build, issuer, order):
    app = build(
        order,
        **OFF,
        **{
            "multiauth.policies": "remote",
            "multiauth.policy.remote.use": "pyramid.authentication.RemoteUserAuthenticationPolicy",
        },
    )
    assert type(app.app.registry.getUtility(ISecurityPolicy)) is pyramid_multiauth.MultiAuthSecurityPolicy
    assert app.get("/own", extra_environ={"REMOTE_USER": "ada"}).json == {"who": "ada"}
    assert app.get("/local", extra_environ={"REMOTE_USER": "ada"}, status="*").status_int == 401
    assert ask(app, "/local", issuer.mint()).status_int == 200
    assert ask(app, "/remote", issuer.mint(scope="read")).status_int == 200


@pytest.mark.parametrize("other", ["policy", "multiauth"])
@pytest.mark.parametrize("first", ["guard", "other"])
def test_two_policies_stop_start_up_with_the_names_of_both(build, other, first):
    order = ("guard", other) if first == "guard" else (other, "guard")
    error = find_setting_error(lambda: build(order))
    kind = "MultiAuthSecurityPolicy" if other == "multiauth" else "HeaderPolicy"
    for part in (kind, "pyramid_oauthguard", "oauthguard.policy = off"):
        assert part in str(error)


def test_policies_that_are_composed_by_path_start_in_any_order(build, issuer):
    def compose(config):
        config.set_security_policy(TokensUnder("/api/", other=HeaderPolicy()))

    for order in itertools.permutations([compose, "pyramid_oauthguard", add_forbidden_view]):
        config = Configurator(settings={**issuer.settings, **OFF}, root_factory=Root)
        for part in order:
            config.include(part)
        config.add_route("read", "/api/read")
        config.add_view(lambda request: {}, route_name="read", renderer="json", permission="read")
        app = config.make_wsgi_app()
        trust(app, issuer)
        assert TestApp(app).get("/api/read", headers=bearer(issuer.mint(scope="read"))).status_int == 200


def test_a_policy_that_is_the_guard_s_or_a_kind_of_it_may_come_from_an_include(issuer):
    class Stricter(OAuthSecurityPolicy):
        pass

    def add_stricter(config):
        config.set_security_policy(Stricter())

    for order in itertools.permutations([add_stricter, "pyramid_oauthguard"]):
        config = Configurator(settings=issuer.settings)
        for part in order:
            config.include(part)
        registry = config.make_wsgi_app().registry
        assert type(registry.getUtility(ISecurityPolicy)) is Stricter
        (found,) = registry.introspector.get_category("security policy")
        assert "pyramid_oauthguard" not in found["introspectable"].title


# ── which forbidden view there is ────────────────────────────────────────────────────────────────────────────────


def build_plain(issuer, *parts):
    config = Configurator(settings=issuer.settings)
    for part in parts:
        part(config)
    add_views(config)
    app = config.make_wsgi_app()
    trust(app, issuer)
    return TestApp(app)


def include_guard(config):
    config.include("pyramid_oauthguard")


@pytest.mark.parametrize("order", list(itertools.permutations(range(2))))
def test_a_forbidden_view_for_some_requests_leaves_the_others_to_the_guard(issuer, order):
    def add_partial(config):
        config.add_forbidden_view(lambda error, request: Response("some", status=403), request_param="some")
        config.add_forbidden_view(lambda error, request: Response("page", status=403), accept="text/html")

    parts = (include_guard, add_partial)
    app = build_plain(issuer, *(parts[number] for number in order))
    assert ask(app, "/local?some=1", Accept="application/json").text == "some"
    assert ask(app, "/local", Accept="text/html").text == "page"
    assert ask(app, "/local", Accept="application/json").headers["WWW-Authenticate"] == BARE


@pytest.mark.parametrize("kind", [Exception, HTTPForbidden.__mro__[1]])
def test_a_view_of_all_exceptions_does_not_answer_refusals(issuer, kind):
    def add_catch_all(config):
        config.add_exception_view(lambda error, request: Response("caught", status=500), context=kind)

    for order in ((include_guard, add_catch_all), (add_catch_all, include_guard)):
        assert ask(build_plain(issuer, *order), "/local").headers["WWW-Authenticate"] == BARE


def test_a_forbidden_view_that_hands_its_exception_back_answers_as_the_guard_would(issuer):
    def add_plain(config):
        config.add_forbidden_view(lambda error, request: error)

    app = build_plain(issuer, include_guard, add_plain)
    answer = ask(app, "/local")
    assert (answer.status_int, answer.headers["WWW-Authenticate"], answer.json["status"]) == (401, BARE, 401)
    assert answer.headers.getall("Vary") == ["Authorization"]
    assert "request" not in answer.text, "no page of Pyramid's is wrapped around it"


def test_a_forbidden_view_may_still_hand_the_refusal_to_the_guard(issuer):
    def add_asking(config):
        def answer(error, request):
            error.headers["WWW-Authenticate"] = "changed"
            response = forbidden_view(error, request)
            response.headers["X-Mine"] = "1"
            return response

        config.add_forbidden_view(answer)

    answer = ask(build_plain(issuer, include_guard, add_asking), "/local")
    assert (answer.status_int, answer.headers["X-Mine"]) == (401, "1")


def test_a_default_view_mapper_of_the_application_does_not_reach_the_guard_s_views(issuer):
    class Backwards:
        def __init__(self, **options):
            pass

        def __call__(self, view):
            return lambda context, request: view(request)

    def set_mapper(config):
        config.set_view_mapper(Backwards)

    app = build_plain(issuer, set_mapper, include_guard)
    assert ask(app, "/local").headers["WWW-Authenticate"] == BARE


# ── autocommit and pyramid.testing ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("how", ["autocommit", "pyramid.testing"])
def test_each_call_counts_at_once_with_autocommit(issuer, how):
    if how == "autocommit":
        config = Configurator(settings=issuer.settings, autocommit=True, root_factory=Root)
    else:
        config = testing.setUp(settings=issuer.settings)
        config.set_root_factory(Root)
    config.include("pyramid_oauthguard")
    add_views(config)
    config.add_token_requirement("never", lambda value: lambda token: None)
    config.add_route("never", "/never")
    config.add_view(lambda request: {}, route_name="never", renderer="json", token_require={"never": "x"})
    app = config.make_wsgi_app()
    trust(app, issuer)
    app = TestApp(app)
    for path, needed in {"/local": "", "/remote": READ, "/read": READ, "/never": ""}.items():
        assert ask(app, path).headers["WWW-Authenticate"] == BARE + needed
        assert ask(app, path, issuer.mint(scope="read")).status_int == 200
    config.add_forbidden_view(lambda error, request: Response("mine", status=403))
    assert ask(app, "/local").text == "mine"
    testing.tearDown()
