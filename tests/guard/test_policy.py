"""The security policy: what a token is to an ACL, and whose policy decides."""

from __future__ import annotations

import json

import pytest
from pyramid.authorization import ALL_PERMISSIONS, Allow, Authenticated, Deny, Everyone
from pyramid.config import Configurator
from pyramid.interfaces import ISecurityPolicy
from pyramid.security import NO_PERMISSION_REQUIRED, forget, remember
from webtest import TestApp

from pyramid_oauthguard.guard import OAuthSecurityPolicy
from pyramid_oauthguard.testing import ABSENT, MemoryIssuer, trust
from tests.guard.guarding import (
    BARE,
    INSUFFICIENT,
    Root,
    add,
    answer,
    ask,
    build_app,
    find_setting_error,
    find_status,
    read_problem,
    tell,
)


@pytest.fixture
def issuer():
    return MemoryIssuer()


def show_principals(request):
    policy = request.registry.getUtility(ISecurityPolicy)
    return sorted(policy.effective_principals(request))


def build_showing(issuer, **settings):
    more = {f"oauthguard.{name}": value for name, value in settings.items()}
    return build_app(lambda config: add(config, "/principals", show_principals), issuer, settings=more)


def find_principals(issuer, claims, **settings):
    return set(ask(build_showing(issuer, **settings), "/principals", issuer.mint(claims)).json)


# ── permissions ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_acl_decides_by_scope_client_role_user_and_authentication(issuer):
    def configure(config):
        for permission in "read", "write", "operate", "administer", "own", "enter", "nothing":
            add(config, f"/{permission}", permission=permission)

    app = build_app(configure, issuer, settings={"oauthguard.role_claim": "realm_access.roles"})
    holders = {
        "read": {"scope": "read"},
        "write": {"scope": "write"},
        "operate": {"client_id": "robot"},
        "administer": {"realm_access": {"roles": ["admin"]}},
        "own": {"sub": "ada"},
        "enter": {},
    }
    for permission, claims in holders.items():
        assert find_status(app, f"/{permission}", issuer.mint(claims)) == 200
        assert find_status(app, f"/{permission}") == 401
        if permission != "enter":
            assert find_status(app, f"/{permission}", issuer.mint()) == 403
    assert find_status(app, "/nothing", issuer.mint(scope="read write nothing")) == 403


def test_a_refusal_names_the_scopes_that_the_acl_would_have_let_in(issuer):
    app = build_app(lambda config: add(config, "/read", permission="read"), issuer)
    response = ask(app, "/read", issuer.mint(scope="other"))
    assert response.headers["WWW-Authenticate"] == f'{INSUFFICIENT}, scope="read write"'
    assert read_problem(response)["scope"] == "read write"


def test_a_refusal_names_no_scope_where_none_would_help(issuer):
    class Shut:
        __acl__ = ((Deny, "client:test-client", "read"), (Allow, "scope:read", "read"))

        def __init__(self, request):
            pass

    app = build_app(lambda config: add(config, "/read", permission="read"), issuer, root_factory=Shut)
    response = ask(app, "/read", issuer.mint(scope="read"))
    assert (response.status_int, response.headers["WWW-Authenticate"]) == (403, INSUFFICIENT)
    app = build_app(lambda config: add(config, "/own", permission="own"), issuer)
    response = ask(app, "/own", issuer.mint())
    assert (response.status_int, response.headers["WWW-Authenticate"]) == (403, INSUFFICIENT)


def test_a_principal_of_an_acl_may_be_anything(issuer):
    """The number of a user, for example. A refusal of its permission was answered with 500."""

    class Owned:
        __acl__ = ((Allow, 42, "read"), (Allow, ("team", 7), "read"), (Allow, "scope:read", "read"))

        def __init__(self, request):
            pass

    app = build_app(lambda config: add(config, "/read", permission="read"), issuer, root_factory=Owned)
    assert ask(app, "/read").headers["WWW-Authenticate"] == f'{BARE}, scope="read"'
    response = ask(app, "/read", issuer.mint())
    assert (response.status_int, response.headers["WWW-Authenticate"]) == (403, f'{INSUFFICIENT}, scope="read"')
    assert find_status(app, "/read", issuer.mint(scope="read")) == 200


def test_a_resource_without_an_acl_lets_nobody_in(issuer):
    app = build_app(
        lambda config: add(config, "/read", permission="read"), issuer, root_factory=lambda request: object()
    )
    assert find_status(app, "/read", issuer.mint(scope="read")) == 403
    assert find_status(app, "/read") == 401


def test_an_acl_may_be_computed_and_inherited(issuer):
    class Parent:
        __acl__ = ((Allow, "scope:read", "read"),)

    class Child:
        def __init__(self, request):
            self.__parent__ = Parent()

        def __acl__(self):
            return [(Allow, "user:ada", ALL_PERMISSIONS), (Deny, "user:eve", "read")]

    app = build_app(lambda config: add(config, "/read", permission="read"), issuer, root_factory=Child)
    assert find_status(app, "/read", issuer.mint(sub="ada")) == 200
    assert find_status(app, "/read", issuer.mint(scope="read")) == 200
    assert find_status(app, "/read", issuer.mint(scope="read", sub="eve")) == 403


def test_what_everyone_may_do_needs_no_token(issuer):
    class Open:
        __acl__ = ((Allow, Everyone, "read"),)

        def __init__(self, request):
            pass

    def configure(config):
        add(config, "/read", permission="read")
        add(config, "/marked", permission="read", token_check="local")

    app = build_app(configure, issuer, root_factory=Open)
    assert ask(app, "/read").json == {"subject": None, "mode": None}
    assert ask(app, "/read", issuer.mint(sub="ada")).json["subject"] == "ada"
    assert find_status(app, "/read", "expired.or.bad") == 200  # Everyone is everyone
    assert find_status(app, "/marked") == 401  # the mark wants a token all the same


def test_a_mark_and_a_permission_are_both_wanted(issuer):
    app = build_app(
        lambda config: add(config, "/both", token_check="local", token_require="write", permission="own"), issuer
    )
    assert find_status(app, "/both") == 401
    assert find_status(app, "/both", issuer.mint(scope="write")) == 403
    assert find_status(app, "/both", issuer.mint(sub="ada")) == 403
    assert find_status(app, "/both", issuer.mint(sub="ada", scope="write")) == 200


def test_the_default_permission_guards_views_that_name_none(issuer):
    def configure(config):
        config.set_default_permission("read")
        add(config, "/default")
        add(config, "/remote", token_check="remote")
        add(config, "/own", permission="own")
        add(config, "/open", permission=NO_PERMISSION_REQUIRED)
        add(config, "/marked", permission=NO_PERMISSION_REQUIRED, token_check="local")

    app = build_app(configure, issuer)
    needed = ', scope="read write"'  # what the ACL of the default permission wants
    for path, scopes in {"/default": needed, "/remote": needed, "/own": "", "/marked": ""}.items():
        response = ask(app, path)
        assert (response.status_int, response.headers["WWW-Authenticate"]) == (401, BARE + scopes)
        assert response.headers["Vary"] == "Authorization"
    assert find_status(app, "/default", issuer.mint()) == 403
    assert ask(app, "/default", issuer.mint(scope="read")).headers["Cache-Control"] == "no-store"
    assert find_status(app, "/remote", issuer.mint()) == 403
    revoked = issuer.mint(scope="read")
    issuer.revoke(revoked)
    assert find_status(app, "/default", revoked) == 200
    assert find_status(app, "/remote", revoked) == 401
    assert find_status(app, "/own", issuer.mint(scope="read")) == 403
    assert find_status(app, "/open") == 200
    assert "Vary" not in ask(app, "/open").headers
    assert find_status(app, "/marked", issuer.mint()) == 200
    assert find_status(app, "/nowhere") == 404  # exception views don't inherit the default permission


def test_no_permission_required_needs_no_token(issuer):
    app = build_app(lambda config: add(config, "/open", permission=NO_PERMISSION_REQUIRED), issuer)
    assert find_status(app, "/open") == 200
    assert not issuer.calls


def test_has_permission_says_why(issuer):
    def check(request):
        may = request.has_permission("read")
        return {"may": bool(may), "reason": getattr(may, "reason", None)}

    app = build_app(lambda config: add(config, "/check", check), issuer)
    assert ask(app, "/check").json == {"may": False, "reason": "missing_token"}
    assert ask(app, "/check", issuer.mint()).json == {"may": False, "reason": "insufficient_scope"}
    assert ask(app, "/check", issuer.mint_expired()).json == {"may": False, "reason": "expired"}
    assert ask(app, "/check", issuer.mint(scope="read")).json == {"may": True, "reason": None}
    assert ask(app, "/check", Authorization="Bearer a b").json == {"may": False, "reason": "malformed_header"}
    with issuer.outage():
        assert ask(build_app(lambda config: add(config, "/check", check), issuer), "/check", issuer.mint()).json == {
            "may": False,
            "reason": "unreachable",
        }


def test_the_policy_remembers_and_forgets_nobody(issuer):
    def view(request):
        return {"remember": remember(request, "ada"), "forget": forget(request)}

    app = build_app(lambda config: add(config, "/headers", view), issuer)
    assert ask(app, "/headers", issuer.mint()).json == {"remember": [], "forget": []}


# ── principals ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_stranger_is_everyone(issuer):
    app = build_showing(issuer)
    for raw in None, "bad.token.here", issuer.mint_expired(), issuer.mint_foreign(), issuer.mint_tampered():
        assert ask(app, "/principals", raw).json == [Everyone]


def test_a_token_is_its_client_its_user_and_its_scopes(issuer):
    assert find_principals(issuer, {"sub": "ada", "client_id": "app", "scope": "read write"}) == {
        Everyone,
        Authenticated,
        "client:app",
        "user:ada",
        "scope:read",
        "scope:write",
    }


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "app", "client_id": "app"},
        {"sub": "app", "client_id": ABSENT, "cid": "app"},
        {"sub": "app", "client_id": ABSENT, "azp": "app"},
        {"sub": "app@clients", "client_id": ABSENT, "azp": "app"},
        {"sub": "something", "client_id": "app", "gty": "client-credentials"},
        {"sub": "something", "client_id": "app", "idtyp": "app"},
        {"sub": ABSENT, "client_id": "app"},
    ],
)
@pytest.mark.promise("GD-12")
def test_a_client_that_acts_for_itself_is_no_user(issuer, claims):
    assert find_principals(issuer, claims) == {Everyone, Authenticated, "client:app"}


HOSTILE = (
    Everyone,
    Authenticated,
    "client:root",
    "user:root",
    "scope:all",
    "role:admin",
    "group:wheel",
    "",
    " ",
    "\n",
    ":",
)


@pytest.mark.promise("GD-12")
@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_in_a_token_becomes_a_principal_outside_its_prefix(issuer, text):
    claims = {
        "sub": text,
        "client_id": text,
        "scope": [text, f"{text} {text}"],
        "roles": [text],
        "groups": [text],
        "username": text,
        "principals": [text],
        "jti": text,
    }
    found = find_principals(issuer, {**claims, "sub": f"{text}x"}, role_claim="roles")
    named = [("user", f"{text}x"), ("client", text), ("scope", text), ("scope", f"{text} {text}"), ("role", text)]
    assert found == {Everyone, Authenticated, *(f"{kind}:{name}" for kind, name in named if name)}


@pytest.mark.promise("GD-12")
@pytest.mark.parametrize("scope", [7, {"read": True}, True, None, ["read", 7], [["read"]], [None], {"0": "read"}])
def test_scopes_come_from_text_and_lists_of_text_only(issuer, scope):
    app = build_app(lambda config: add(config, "/read", permission="read"), issuer)
    response = ask(app, "/read", issuer.mint(scope=scope))
    assert (response.status_int, read_problem(response)["error"]) == (401, "invalid_token")


@pytest.mark.promise("GD-12")
@pytest.mark.parametrize(
    "scope", ["read\twrite", "read,write", "READ", "read\n", "read\u00a0", "\u2003read", "scope:read", "read:all"]
)
def test_a_scope_is_what_lies_between_two_spaces(issuer, scope):
    app = build_app(lambda config: add(config, "/read", token_require="read"), issuer)
    assert find_status(app, "/read", issuer.mint(scope=scope)) == 403
    assert find_status(app, "/read", issuer.mint(scope=f"other  {scope} read ")) == 200


@pytest.mark.promise("GD-12")
@pytest.mark.parametrize("subject", [7, True, ["ada"], {"name": "ada"}])
def test_a_subject_that_is_no_text_is_refused(issuer, subject):
    app = build_app(lambda config: add(config, "/local", token_check="local"), issuer)
    assert find_status(app, "/local", issuer.mint(sub=subject)) == 401


@pytest.mark.parametrize(
    ("path", "claims", "roles"),
    [
        ("roles", {"roles": ["a", "b"]}, {"a", "b"}),
        ("roles", {"roles": "one role"}, {"one role"}),
        ("realm_access.roles", {"realm_access": {"roles": ["a"]}}, {"a"}),
        ("https://example.com/roles", {"https://example.com/roles": ["a"]}, {"a"}),
        ("resource_access.my-api.roles", {"resource_access": {"my-api": {"roles": ["a"]}}}, {"a"}),
        ("roles", {"roles": ["a", 1, None, ["b"], {"c": 1}]}, {"a"}),
        ("roles", {"roles": {"a": True}}, set()),
        ("roles", {"roles": 7}, set()),
        ("roles", {"roles": True}, set()),
        ("roles", {"roles": None}, set()),
        ("realm_access.roles", {"realm_access": ["roles"]}, set()),
        ("realm_access.roles", {"realm_access": "roles"}, set()),
        ("realm_access.roles", {}, set()),
        ("a..b", {"a": {"": {"b": ["c"]}}}, {"c"}),
    ],
)
def test_roles_come_from_the_claim_that_is_configured(issuer, path, claims, roles):
    found = find_principals(issuer, claims, role_claim=path)
    assert {name for name in found if name.startswith("role:")} == {f"role:{role}" for role in roles}


def test_without_the_setting_there_are_no_roles(issuer):
    assert not [name for name in find_principals(issuer, {"roles": ["admin"]}) if name.startswith("role:")]


def look_up_groups(access_token, request):
    calls = request.registry.__dict__.setdefault("looked_up", [])
    calls.append(access_token.subject)
    return {f"group:{request.params.get('group', 'none')}"}


def test_an_application_adds_principals_of_its_own(issuer):
    def configure(config):
        add(config, "/principals", show_principals)
        add(config, "/read", show_principals, permission="read")

    class Group(Root):
        __acl__ = ((Allow, "group:staff", "read"),)

    settings = {"oauthguard.principals": f"{__name__}.look_up_groups"}
    app = build_app(configure, issuer, settings=settings, root_factory=Group)
    looked_up = app.app.registry.__dict__.setdefault("looked_up", [])
    assert find_status(app, "/read?group=staff") == 401
    assert not looked_up  # no user is looked up for an unknown caller
    assert "group:staff" in ask(app, "/read?group=staff", issuer.mint(sub="ada")).json
    assert looked_up == ["ada"]  # once a request, however often it is asked
    raw = issuer.mint()
    assert find_status(app, "/read?group=staff", raw) == 200
    assert find_status(app, "/read?group=guests", raw) == 403  # one token, but each request is asked for anew


@pytest.mark.parametrize("value", [look_up_groups, "tests.guard.test_policy:look_up_groups"])
def test_the_callable_may_be_given_itself_or_by_name(issuer, value):
    app = build_showing(issuer, principals=value)
    assert "group:none" in ask(app, "/principals", issuer.mint()).json


# ── whose policy decides ─────────────────────────────────────────────────────────────────────────────────────────


class OwnPolicy:
    """An application's own, which lets everybody in."""

    def identity(self, request):
        return {"name": "own"}

    def authenticated_userid(self, request):
        return "own"

    def permits(self, request, context, permission):
        return True

    def remember(self, request, userid, **kw):
        return []

    def forget(self, request, **kw):
        return []


def include_own_policy(config):
    config.set_security_policy(OwnPolicy())


def build_foreign(how):
    settings = MemoryIssuer().settings
    if how == "constructor":
        config = Configurator(settings=settings, security_policy=OwnPolicy())
        config.include("pyramid_oauthguard")
    elif how == "directive before":
        config = Configurator(settings=settings)
        config.set_security_policy(OwnPolicy())
        config.include("pyramid_oauthguard")
    elif how == "directive after":
        config = Configurator(settings=settings)
        config.include("pyramid_oauthguard")
        config.set_security_policy(OwnPolicy())
    elif how == "directive after a commit":
        config = Configurator(settings=settings)
        config.include("pyramid_oauthguard")
        config.commit()
        config.set_security_policy(OwnPolicy())
    elif how == "before a commit":
        config = Configurator(settings=settings)
        config.set_security_policy(OwnPolicy())
        config.commit()
        config.include("pyramid_oauthguard")
    elif how == "autocommit before":
        config = Configurator(settings=settings, autocommit=True)
        config.set_security_policy(OwnPolicy())
        config.include("pyramid_oauthguard")
    elif how == "autocommit after":
        config = Configurator(settings=settings, autocommit=True)
        config.include("pyramid_oauthguard")
        config.set_security_policy(OwnPolicy())
    add(config, "/read", permission="read")
    return config.make_wsgi_app()


@pytest.mark.parametrize(
    "how",
    [
        "constructor",
        "directive before",
        "directive after",
        "directive after a commit",
        "before a commit",
        "autocommit before",
        "autocommit after",
    ],
)
def test_a_policy_of_the_applications_own_stops_start_up(how):
    error = find_setting_error(lambda: build_foreign(how))
    assert error.key == "oauthguard.policy"
    assert "oauthguard.policy = off" in str(error)


def include_own_policy_and_commit(config):
    config.include(include_own_policy)
    config.commit()


@pytest.mark.parametrize("other", [include_own_policy, include_own_policy_and_commit])
def test_another_packages_policy_stops_start_up(other):
    error = find_setting_error(lambda: build_app(lambda config: config.include(other)))
    assert "OwnPolicy, which replaces that of pyramid_oauthguard" in str(error)
    assert "oauthguard.policy = off" in str(error)


def test_a_subclass_of_the_guards_policy_is_the_guards(issuer):
    class Stricter(OAuthSecurityPolicy):
        def permits(self, request, context, permission):
            return super().permits(request, context, permission) if "open" in request.params else False

    def configure(config):
        config.set_security_policy(Stricter())
        add(config, "/read", permission="read")

    app = build_app(configure, issuer)
    assert find_status(app, "/read?open", issuer.mint(scope="read")) == 200
    assert find_status(app, "/read", issuer.mint(scope="read")) == 403


class Composed:
    """Bearer tokens to the guard, everybody else to a header that a proxy sets."""

    def __init__(self):
        self.tokens = OAuthSecurityPolicy()

    def identity(self, request):
        if self.tokens.handles(request):
            return self.tokens.identity(request)
        return request.headers.get("X-User")

    def authenticated_userid(self, request):
        if self.tokens.handles(request):
            return self.tokens.authenticated_userid(request)
        return request.headers.get("X-User")

    def permits(self, request, context, permission):
        if self.tokens.handles(request):
            return self.tokens.permits(request, context, permission)
        return request.headers.get("X-User") == "ada"

    def remember(self, request, userid, **kw):
        return self.tokens.remember(request, userid, **kw)

    def forget(self, request, **kw):
        return self.tokens.forget(request, **kw)


def build_composed(issuer):
    def configure(config):
        config.set_security_policy(Composed())
        add(config, "/read", permission="read")
        add(config, "/marked", token_check="remote")
        add(config, "/who", lambda request: {"userid": request.authenticated_userid})

    return build_app(configure, issuer, settings={"oauthguard.policy": "off"})


def test_an_application_may_compose_policies(issuer):
    app = build_composed(issuer)
    assert find_status(app, "/read", X_User="ada") == 200
    assert find_status(app, "/read", X_User="eve") == 403
    assert find_status(app, "/read", issuer.mint(scope="read")) == 200
    assert find_status(app, "/read", issuer.mint(scope="read"), X_User="eve") == 200
    response = ask(app, "/read", issuer.mint_expired(), X_User="ada")
    assert response.status_int == 401  # who brings a token is judged by it
    assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]
    assert find_status(app, "/read", Authorization="Bearer a b", X_User="ada") == 400
    assert ask(app, "/read", issuer.mint()).headers["WWW-Authenticate"].startswith(INSUFFICIENT)
    assert ask(app, "/who", issuer.mint(sub="bob")).json == {"userid": "bob"}
    assert ask(app, "/who", X_User="ada").json == {"userid": "ada"}


def test_a_marked_view_wants_a_token_whatever_the_applications_policy_says(issuer):
    app = build_composed(issuer)
    assert find_status(app, "/marked", X_User="ada") == 401
    assert ask(app, "/marked", issuer.mint()).json["mode"] == "remote"


def test_an_outage_is_503_under_a_composed_policy_too(issuer):
    app = build_composed(issuer)
    with issuer.outage():
        for path in "/read", "/marked":
            response = ask(app, path, issuer.mint(scope="read"))
            assert response.status_int == 503
            assert "Retry-After" in response.headers


@pytest.mark.parametrize("value", ["off", "false", "no", "0", False])
def test_with_policy_off_none_is_installed(value):
    app = build_app(settings={"oauthguard.policy": value})
    assert app.app.registry.queryUtility(ISecurityPolicy) is None


def test_the_switch_is_read_when_the_guard_is_included():
    """Turned off afterwards it would leave the policy where the application thinks there is none."""

    def configure(config):
        config.add_settings({"oauthguard.policy": "off"})

    assert find_setting_error(lambda: build_app(configure)).key == "oauthguard.policy"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, False),
        ("", False),
        ("Basic eA==", False),
        ("Digest username=bearer", False),
        ("Bearers abc", False),
        ("Bearerabc", False),
        ("Bearer", True),
        ("Bearer abc", True),
        ("bEARER abc", True),
        ("BEARER\tabc", True),
        ("Bearer a, Bearer b", True),
        ("Basic eA==, Bearer b", True),
        ("Basic eA==,bearer b", True),
    ],
)
def test_handles_says_whether_a_bearer_token_comes_along(header, expected):
    policy = OAuthSecurityPolicy()
    app = build_app(lambda config: add(config, "/handles", policy.handles))
    headers = {} if header is None else {"Authorization": header}
    assert ask(app, "/handles", **headers).json is expected


@pytest.mark.parametrize("uri", ["/transfer?x=,bearer,", "/transfer?,bearer", "/a,Bearer%20x"])
def test_a_digest_header_is_no_bearer_token_whatever_the_address_in_it(uri):
    """The browser writes the address into it, and whoever made the link chose the address."""
    policy = OAuthSecurityPolicy()
    app = build_app(lambda config: add(config, "/handles", policy.handles))
    header = f'Digest username="u", realm="r", nonce="n", uri="{uri}", response="00"'
    assert ask(app, "/handles", Authorization=header).json is False


def test_two_applications_with_two_guards_and_one_policy_object(issuer):
    """A policy keeps nothing of an application: it finds the guard through the request."""
    policy = OAuthSecurityPolicy()
    other = MemoryIssuer("https://other.test")

    def build(issuer):
        config = Configurator(settings={**issuer.settings, "oauthguard.policy": "off"}, root_factory=Root)
        config.include("pyramid_oauthguard")
        config.set_security_policy(policy)
        add(config, "/read", permission="read")
        app = config.make_wsgi_app()
        trust(app, issuer)
        return TestApp(app)

    first, second = build(issuer), build(other)
    assert find_status(first, "/read", issuer.mint(scope="read")) == 200
    assert find_status(second, "/read", issuer.mint(scope="read")) == 401
    assert find_status(second, "/read", other.mint(scope="read")) == 200


def test_the_policy_is_there_to_introspect(issuer):
    app = build_app(lambda config: add(config, "/local", tell, token_check="local"), issuer)
    found = app.app.registry.introspector.get_category("security policy")
    assert isinstance(found[0]["introspectable"]["policy"], OAuthSecurityPolicy)
    assert json.dumps(str(found[0]["introspectable"]))


def test_views_without_the_guards_options_are_left_alone(issuer):
    app = build_app(lambda config: add(config, "/open", answer("open"), renderer=None), issuer)
    response = ask(app, "/open")
    assert {"Vary", "Cache-Control", "WWW-Authenticate"}.isdisjoint(response.headers)
