"""`config.testing_securitypolicy` and `make_wsgi_app` in an application with the guard."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pyramid import testing
from pyramid.config import Configurator
from pyramid.security import forget, remember
from webtest import TestApp

from pyramid_oauthguard.testing import MemoryIssuer, bearer, trust
from tests.documentation import read_page
from tests.guard.guarding import BARE, add, find_setting_error, find_status

ORDERS = ["before", "after", "after a commit", "before a commit", "autocommit before", "autocommit after", "setUp"]


@pytest.fixture
def issuer() -> Iterator[MemoryIssuer]:
    yield MemoryIssuer()
    testing.tearDown()


def show(request: Any) -> dict[str, Any]:
    token = request.access_token
    return {"userid": request.authenticated_userid, "identity": request.identity, "subject": token and token.subject}


def build(issuer: MemoryIssuer, how: str = "after", **policy: Any) -> TestApp:
    settings = issuer.settings
    config = (
        testing.setUp(settings=settings)
        if how == "setUp"
        else Configurator(settings=settings, autocommit=how.startswith("autocommit"))
    )
    if "before" in how:
        config.testing_securitypolicy(**policy)
    if how == "before a commit":
        config.commit()
    config.include("pyramid_oauthguard")
    if how == "after a commit":
        config.commit()
    if "before" not in how:
        config.testing_securitypolicy(**policy)
    add(config, "/open", show)
    add(config, "/permission", show, permission="read")
    add(config, "/check", show, token_check="local")
    add(config, "/remote", show, token_check="remote", permission="read")
    add(config, "/require", show, token_require="pay")
    add(config, "/in", lambda request: {"headers": [*remember(request, "ada"), *forget(request)]})
    app = config.make_wsgi_app()
    trust(app, issuer)
    return TestApp(app)


@pytest.mark.parametrize("how", ORDERS)
def test_the_policy_for_tests_decides_about_permissions_and_tokens_about_the_rest(issuer, how):
    app = build(issuer, how, userid="ada", identity="an identity")
    raw = issuer.mint(sub="bob", scope="pay")
    assert app.get("/open").json == {"userid": "ada", "identity": "an identity", "subject": None}
    assert app.get("/permission").json["userid"] == "ada"
    assert app.get("/permission", headers=bearer(raw)).json["subject"] == "bob"
    assert app.get("/check", status=401).headers["WWW-Authenticate"] == BARE
    assert app.get("/check", headers=bearer(raw)).json == {"userid": "ada", "identity": "an identity", "subject": "bob"}
    assert find_status(app, "/require", issuer.mint(scope="read")) == 403
    assert find_status(app, "/require", raw) == find_status(app, "/remote", raw) == 200
    assert find_status(app, "/remote") == find_status(app, "/require", issuer.mint_expired()) == 401


@pytest.mark.parametrize("how", ORDERS)
def test_a_policy_that_permits_nothing_refuses_permissions_only(issuer, how):
    app = build(issuer, how, permissive=False)
    raw = issuer.mint(scope="pay")
    assert find_status(app, "/permission", raw) == find_status(app, "/remote", raw) == 403
    assert find_status(app, "/check", raw) == find_status(app, "/require", raw) == 200


def test_remember_and_forget_are_those_of_the_policy_for_tests(issuer):
    app = build(issuer, remember_result=[("X-In", "1")], forget_result=[("X-Out", "1")])
    assert app.get("/in").json["headers"] == [["X-In", "1"], ["X-Out", "1"]]


def test_another_policy_still_stops_start_up(issuer):
    class DummySecurityPolicy(testing.DummyRequest):
        """Of the same name, and of another module."""

    def start():
        config = Configurator(settings=issuer.settings)
        config.set_security_policy(DummySecurityPolicy())
        config.include("pyramid_oauthguard")
        config.make_wsgi_app()

    assert find_setting_error(start).key == "oauthguard.policy"


def test_the_page_says_it():
    page = read_page("how-to/testing")
    assert "config.testing_securitypolicy(userid=" in page
    assert "So the policy for tests opens no view that requires a token." in page
