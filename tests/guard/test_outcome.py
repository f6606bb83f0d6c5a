"""`OAuthSecurityPolicy.result(request)`: no token, a bad token and an issuer that is down are three things."""

from __future__ import annotations

import pytest
from pyramid.interfaces import ISecurityPolicy

from pyramid_oauthguard.guard import TokenOutcome, TokensUnder
from pyramid_oauthguard.testing import MemoryIssuer
from tests.guard.guarding import add, build_app


@pytest.fixture
def issuer():
    return MemoryIssuer()


def show(request):
    outcome: TokenOutcome = request.registry.getUtility(ISecurityPolicy).result(request)
    token, error = outcome.access_token, outcome.error
    return {"kind": outcome.kind, "subject": token and token.subject, "reason": error and error.reason}


def build(issuer, mode="local"):
    return build_app(lambda config: add(config, "/open", show), issuer, settings={"oauthguard.token_check": mode})


def test_a_good_token(issuer):
    answer = build(issuer).get("/open", headers=issuer.bearer(sub="ada"))
    assert answer.json == {"kind": "token", "subject": "ada", "reason": None}


def test_no_token(issuer):
    assert build(issuer).get("/open").json == {"kind": "no_token", "subject": None, "reason": "missing_token"}
    other = build(issuer).get("/open", headers={"Authorization": "Basic YTpi"})
    assert other.json["kind"] == "no_token"


@pytest.mark.parametrize(
    ("header", "reason"),
    [("Bearer", "malformed_header"), ("Bearer a b", "malformed_header"), ("Bearer abc", "not_a_jwt")],
)
def test_a_header_that_cannot_be_read_or_is_no_token_is_a_bad_token(issuer, header, reason):
    answer = build(issuer).get("/open", headers={"Authorization": header})
    assert answer.json == {"kind": "bad_token", "subject": None, "reason": reason}


def test_an_expired_token_is_a_bad_token(issuer):
    answer = build(issuer).get("/open", headers={"Authorization": f"Bearer {issuer.mint_expired()}"})
    assert answer.json == {"kind": "bad_token", "subject": None, "reason": "expired"}


@pytest.mark.parametrize("mode", ["local", "remote"])
def test_an_issuer_that_is_down_is_not_a_bad_token(issuer, mode):
    with issuer.outage():
        answer = build(issuer, mode).get("/open", headers=issuer.bearer())
    assert answer.json["kind"] == "issuer_down"
    assert answer.json["subject"] is None


def test_the_outcome_follows_the_mode_of_the_request(issuer):
    raw = issuer.mint()
    issuer.revoke(raw)
    headers = {"Authorization": f"Bearer {raw}"}
    assert build(issuer).get("/open", headers=headers).json["kind"] == "token"
    assert build(issuer, "remote").get("/open", headers=headers).json["kind"] == "bad_token"


def test_beside_another_policy_a_token_counts_under_the_prefix_only(issuer):
    def configure(config):
        add(config, "/api/open", show)
        add(config, "/open", show)
        config.set_security_policy(TokensUnder("/api/", other=SignedOut()))

    app = build_app(configure, issuer, settings={"oauthguard.policy": "off"})
    assert app.get("/api/open", headers=issuer.bearer(sub="ada")).json["kind"] == "token"
    outside = app.get("/open", headers=issuer.bearer(sub="ada")).json
    assert outside == {"kind": "no_token", "subject": None, "reason": "outside_prefix"}


class SignedOut:
    def identity(self, request):
        return None

    def authenticated_userid(self, request):
        return None

    def permits(self, request, context, permission):
        return False

    def remember(self, request, userid, **kw):
        return []

    def forget(self, request, **kw):
        return []
