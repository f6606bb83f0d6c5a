"""`set_token`: a view's unit test without an application."""

from __future__ import annotations

import pytest
from pyramid import testing
from pyramid.authorization import Allow
from pyramid.request import Request

from pyramid_oauthguard.testing import ABSENT, set_token


def test_a_dummy_request_shows_the_token():
    request = testing.DummyRequest()
    token = set_token(request, sub="ada", scope="read write", tenant={"ids": [1]})
    assert request.access_token is request.identity is token
    assert request.authenticated_userid == token.subject == "ada"
    assert token.can_all("read", "write")
    assert token.claims["tenant"]["ids"] == (1,)
    assert (token.mode, token.client_id, token.audience) == ("local", "test-client", ("https://api.test",))
    assert isinstance(request, testing.DummyRequest)


def test_claims_are_left_out_and_named_freely():
    request = testing.DummyRequest()
    token = set_token(
        request, {"https://example.com/tier": "gold"}, sub=ABSENT, client_id=None, scope=["a b"], mode="remote"
    )
    assert token.subject is None
    assert request.authenticated_userid is None
    assert token.client_id is None
    assert token.scopes == {"a b"}
    assert token.claims["https://example.com/tier"] == "gold"
    assert "sub" not in token.claims
    assert token.mode == "remote"


def test_the_second_token_replaces_the_first():
    request = testing.DummyRequest()
    set_token(request, sub="ada")
    set_token(request, sub="eve")
    assert request.authenticated_userid == "eve"
    assert len([kind for kind in type(request).__mro__ if kind.__name__ == "_RequestWithToken"]) == 1


def test_other_requests_have_no_token():
    set_token(testing.DummyRequest(), sub="ada")
    assert not hasattr(testing.DummyRequest(), "access_token")
    assert testing.DummyRequest().identity is None


@pytest.fixture
def config():
    settings = {"oauthguard.issuer": "https://login.example.com/", "oauthguard.audience": "https://shop.example.com"}
    with testing.testConfig(settings=settings) as config:
        config.include("pyramid_oauthguard")
        config.commit()
        yield config


@pytest.mark.parametrize("make", [testing.DummyRequest, lambda: Request.blank("/")])
def test_the_acl_of_a_guarded_application_sees_it(config, make):
    class Orders:
        __acl__ = ((Allow, "scope:read", "view"), (Allow, "user:ada", "edit"))

    request = make()
    request.registry = config.registry
    token = set_token(request, sub="ada", scope="read")
    assert (token.issuer, token.audience) == ("https://login.example.com/", ("https://shop.example.com",))
    assert request.has_permission("view", Orders())
    assert request.has_permission("edit", Orders())
    assert not request.has_permission("delete", Orders())
    assert request.access_token is token
