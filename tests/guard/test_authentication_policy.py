"""The guard as an authentication policy: alone, and in a chain of pyramid_multiauth with another policy."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from pyramid.authentication import RemoteUserAuthenticationPolicy
from pyramid.authorization import ACLAuthorizationPolicy, Allow, Authenticated, Everyone
from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPForbidden
from pyramid.interfaces import ISecurityPolicy
from pyramid.security import forget, remember
from webtest import TestApp

with warnings.catch_warnings():  # of a package of other people, as it is imported
    warnings.simplefilter("ignore")
    import pyramid_multiauth

from pyramid_oauthguard.guard import OAuthAuthenticationPolicy, OAuthSecurityPolicy
from pyramid_oauthguard.guard import forbidden_view as token_refused
from pyramid_oauthguard.testing import ABSENT, MemoryIssuer, trust
from tests.documentation import find_blocks, read_page
from tests.guard.guarding import BARE, INSUFFICIENT, Root, add, ask, build_app, find_setting_error, find_status

OFF = {"oauthguard.policy": "off"}
CHAIN = {
    "multiauth.policies": "tokens proxy",
    "multiauth.policy.tokens.use": "pyramid_oauthguard.guard.OAuthAuthenticationPolicy",
    "multiauth.policy.proxy.use": "pyramid.authentication.RemoteUserAuthenticationPolicy",
}


class Place(Root):
    __acl__ = (*Root.__acl__, (Allow, "group:admins", "administer"), (Allow, "eve", "read"))


def show(request: Any) -> dict[str, Any]:
    policy = request.registry.getUtility(ISecurityPolicy)
    asked = getattr(policy, "effective_principals", None)
    principals = asked(request) if asked else OAuthAuthenticationPolicy().effective_principals(request)
    return {"userid": request.authenticated_userid, "principals": sorted(map(str, principals))}


def compose(how: str) -> Any:
    """What makes the policy the application's: alone, or one of a chain in each of the ways there are."""

    def configure(config: Configurator) -> None:
        if how == "chain":
            config.include("pyramid_multiauth")
        elif how == "alone":
            with pytest.warns(DeprecationWarning, match="policies"):
                config.set_authentication_policy(OAuthAuthenticationPolicy())
            with pytest.warns(DeprecationWarning, match="policies"):
                config.set_authorization_policy(ACLAuthorizationPolicy())
        else:
            policies = [RemoteUserAuthenticationPolicy(), OAuthAuthenticationPolicy()]
            with pytest.warns(DeprecationWarning, match="olic"):
                config.set_authentication_policy(pyramid_multiauth.MultiAuthenticationPolicy(policies))
            with pytest.warns(DeprecationWarning, match="olic"):
                config.set_authorization_policy(ACLAuthorizationPolicy())
        for permission in "read", "own", "enter", "administer":
            add(config, f"/{permission}", permission=permission)
        add(config, "/show", show)
        add(config, "/remote", token_check="remote")

    return configure


def build(how: str, issuer: MemoryIssuer, configure: Any = None, **settings: Any) -> TestApp:
    def both(config: Configurator) -> None:
        compose(how)(config)
        if configure is not None:
            configure(config)

    given = {**OFF, **(CHAIN if how == "chain" else {}), **settings}
    return build_app(both, issuer, settings=given, root_factory=Place)


@pytest.fixture
def issuer() -> MemoryIssuer:
    return MemoryIssuer()


TOKENS: list[dict[str, Any]] = [
    {"sub": "ada", "scope": "read write", "client_id": "web"},
    {"sub": "robot", "client_id": "robot"},
    {"sub": ABSENT, "client_id": "robot", "scope": "read"},
    {"sub": "system.Everyone", "client_id": "group:admins", "roles": ["admin", "group:admins"]},
]


@pytest.mark.promise("GD-12")
@pytest.mark.parametrize("how", ["alone", "chain", "old chain"])
@pytest.mark.parametrize("claims", TOKENS, ids=range(len(TOKENS)))
def test_the_principals_are_those_of_the_security_policy(issuer, how, claims):
    roles = {"oauthguard.role_claim": "roles"}
    raw = issuer.mint(claims)
    theirs = ask(build_app(lambda config: add(config, "/show", show), issuer, settings=roles), "/show", raw).json
    ours = ask(build(how, issuer, **roles), "/show", raw).json
    assert ours["principals"] == theirs["principals"]
    assert Authenticated in ours["principals"]


@pytest.mark.parametrize("how", ["alone", "chain", "old chain"])
def test_who_brings_no_good_token_is_everyone(issuer, how):
    app = build(how, issuer)
    for raw in None, issuer.mint_expired(), issuer.mint_foreign():
        assert ask(app, "/show", raw).json == {"userid": None, "principals": [Everyone]}


@pytest.mark.promise("GD-12")
def test_the_user_id_is_the_subject_alone_and_a_principal_in_a_chain(issuer):
    robot = issuer.mint(sub="robot", client_id="robot")
    assert ask(build("alone", issuer), "/show", issuer.mint(sub="ada")).json["userid"] == "ada"
    for how in "chain", "old chain":
        app = build(how, issuer)
        assert ask(app, "/show", issuer.mint(sub="ada")).json["userid"] == "user:ada"
        assert ask(app, "/show", robot).json["userid"] == "client:robot"
        for sub in "group:admins", "eve":
            assert find_status(app, "/administer", issuer.mint(sub=sub)) == 403
            assert find_status(app, "/read", issuer.mint(sub=sub)) == 403


def test_the_other_policy_of_a_chain_goes_on_as_before(issuer):
    for how in "chain", "old chain":
        app = build(how, issuer)
        app.extra_environ["REMOTE_USER"] = "eve"
        assert ask(app, "/show").json["userid"] == "eve"
        assert find_status(app, "/read") == 200
        response = ask(app, "/own")
        assert (response.status_int, response.headers.get("WWW-Authenticate")) == (403, None)


@pytest.mark.promise("GD-20")
@pytest.mark.parametrize("how", ["alone", "chain", "old chain"])
def test_refusals_are_those_of_the_guard(issuer, how):
    app = build(how, issuer)
    assert find_status(app, "/read", issuer.mint(scope="read")) == 200
    assert find_status(app, "/own", issuer.mint(sub="ada")) == 200
    assert ask(app, "/own").headers["WWW-Authenticate"] == BARE
    assert ask(app, "/read").headers["WWW-Authenticate"] == f'{BARE}, scope="read write"'
    response = ask(app, "/read", issuer.mint_expired())
    assert (response.status_int, response.content_type) == (401, "application/problem+json")
    response = ask(app, "/read", issuer.mint(scope="other"))
    assert response.headers["WWW-Authenticate"] == f'{INSUFFICIENT}, scope="read write"'
    assert find_status(app, "/read", Authorization="Bearer a b") == 400
    raw = issuer.mint(scope="read")
    assert ask(app, "/remote", raw).json["mode"] == "remote"
    issuer.revoke(raw)
    assert find_status(app, "/remote", raw) == 401
    down = build(how, issuer, **{"oauthguard.token_check": "remote"})
    with issuer.outage():
        response = ask(down, "/read", issuer.mint(scope="read"))
        assert (response.status_int, "Retry-After" in response.headers) == (503, True)


@pytest.mark.promise("GD-20")
@pytest.mark.parametrize("how", ["alone", "chain", "old chain"])
def test_a_forbidden_view_that_answers_the_exception_as_it_is_gives_the_answers_of_the_guard(issuer, how):
    """Such as Cornice's: it does not handle tokens, and answered 403 to each."""

    def configure(config):
        config.add_view(lambda forbidden, request: forbidden, context=HTTPForbidden)

    app = build(how, issuer, configure)
    assert find_status(app, "/read", issuer.mint(scope="read")) == 200
    assert ask(app, "/read").headers["WWW-Authenticate"] == f'{BARE}, scope="read write"'
    assert find_status(app, "/read", issuer.mint_expired()) == 401
    assert ask(app, "/read", issuer.mint(scope="other")).headers["WWW-Authenticate"].endswith('scope="read write"')
    down = build(how, issuer, configure, **{"oauthguard.token_check": "remote"})
    with issuer.outage():
        assert find_status(down, "/read", issuer.mint(scope="read")) == 503
    app.extra_environ["REMOTE_USER"] = "eve"
    if how != "alone":
        assert find_status(app, "/read") == 200
        response = ask(app, "/own")
        assert (response.status_int, response.headers.get("WWW-Authenticate")) == (403, None)


@pytest.mark.promise("GD-20")
def test_an_authorization_policy_of_the_applications_own_may_decide(issuer):
    class Other:
        def permits(self, context, principals, permission):
            return "scope:read" in principals

        def principals_allowed_by_permission(self, context, permission):
            raise NotImplementedError

    settings = {"multiauth.authorization_policy": Other, "oauthguard.token_check": "remote"}
    app = build("chain", issuer, **settings)
    assert find_status(app, "/read", issuer.mint(scope="read")) == 200
    assert find_status(app, "/read") == 401
    assert find_status(app, "/read", issuer.mint_expired()) == 401
    assert find_status(app, "/read", issuer.mint()) == 403
    with issuer.outage():
        assert find_status(app, "/read", issuer.mint(scope="read")) == 503


def test_a_view_that_refuses_by_itself_is_left_alone(issuer):
    from pyramid.httpexceptions import HTTPForbidden

    def refuse(request):
        assert request.authenticated_userid
        raise HTTPForbidden("closed on Sundays")

    app = build("chain", issuer, lambda config: add(config, "/closed", refuse))
    response = ask(app, "/closed", issuer.mint(sub="ada"))
    assert (response.status_int, "closed on Sundays" in response.text) == (403, True)


def test_no_cache_serves_the_answer_to_another_caller(issuer):
    app = build("chain", issuer)
    response = ask(app, "/show", issuer.mint())
    assert (response.headers["Vary"], response.headers["Cache-Control"]) == ("Authorization", "no-store")


def test_nothing_is_remembered_or_forgotten(issuer):
    def sign_in(request):
        return {"headers": [*remember(request, "ada"), *forget(request)]}

    for how in "alone", "chain":
        app = build(how, issuer, lambda config: add(config, "/in", sign_in))
        assert ask(app, "/in").json == {"headers": []}
    policy = OAuthAuthenticationPolicy()
    assert policy.remember(None, "ada", max_age=1) == policy.forget(None) == []


@pytest.mark.parametrize("how", ["alone", "chain"])
def test_policy_must_be_off(issuer, how):
    error = find_setting_error(lambda: build(how, issuer, **{"oauthguard.policy": "on"}))
    assert error.key == "oauthguard.policy"
    assert "OAuthAuthenticationPolicy one of the application's authentication policies" in str(error)


def test_the_principals_of_several_issuers_name_theirs(issuer):
    named = {
        "oauthguard.issuers": "staff",
        "oauthguard.issuers.staff.issuer": "https://staff.test",
        "oauthguard.issuers.staff.scopes": "any",
        "oauthguard.issuers.staff.introspection.auth_method": "none",
    }
    app = build("chain", issuer, **named)
    staff = trust(app, MemoryIssuer("https://staff.test"))
    found = ask(app, "/show", staff.mint(sub="ada", client_id="web")).json
    assert found["userid"] == "user:staff/ada"
    assert set(found["principals"]) >= {"user:staff/ada", "client:staff/web", "issuer:staff"}


def test_the_page_shows_how_to_use_it(issuer):
    page = read_page("how-to/guard/authentication-policies")
    settings = dict(line.split(" = ", 1) for line in find_blocks(page, "ini")[0].splitlines() if " = " in line)
    settings["multiauth.policy.session.use"] = RemoteUserAuthenticationPolicy  # in place of the reader's own
    seen: dict[str, Any] = {}
    exec(find_blocks(page, "python")[-1], seen)  # noqa: S102  # the code of the page
    given = {**settings, "oauthguard.issuer": issuer.identifier, "oauthguard.audience": issuer.audience}

    def configure(config: Configurator) -> None:
        config.include("pyramid_multiauth")
        add(config, "/read", permission="read")
        config.add_route("sign_in", "/sign-in")
        config.add_forbidden_view(seen["forbidden"])

    app = build_app(configure, issuer, settings=given)
    assert find_status(app, "/read", issuer.mint(scope="read")) == 200
    assert find_status(app, "/read", issuer.mint()) == 403
    assert find_status(app, "/read", issuer.mint_expired()) == 401
    response = ask(app, "/read")
    assert (response.status_int, response.headers["Location"]) == (303, "http://localhost/sign-in")
    assert seen["token_refused"] is token_refused
    assert OAuthSecurityPolicy is not OAuthAuthenticationPolicy
