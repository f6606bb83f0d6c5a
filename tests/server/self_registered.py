"""Clients that registered themselves, and their way through the endpoints: what tests of them share."""

from __future__ import annotations

import re
from types import SimpleNamespace

from webtest import TestApp

from tests.server.flows import CHALLENGE, VERIFIER, read_answer
from tests.server.test_private_key_jwt import KEY, TYPE, publish, sign

OPEN = {
    "registration": "open",
    "self_registered.scopes": "read write",
    "self_registered.audiences": "https://api.example",
}
TOKEN = "t" * 32
SITE = "https://tool.example"
GOOD = {
    "client_name": "Tool",
    "redirect_uris": [f"{SITE}/callback"],
    "grant_types": ["authorization_code", "refresh_token"],
    "token_endpoint_auth_method": "none",
}


def register(flow, *, status=201, headers=None, **changes):
    body = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    browser = TestApp(flow.server.app.app)
    return browser.post_json("/oauth/register", body, status=status, headers=headers)


def ask(flow, client, **changes):
    parameters = {
        "response_type": "code",
        "client_id": client["client_id"],
        "redirect_uri": client["redirect_uris"][0],
        "scope": "read",
        "state": "s",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        **changes,
    }
    return flow.sign_in().get("/oauth/authorize", parameters, status="*")


def allow(flow, client, **changes):
    return read_answer(ask(flow, client, **changes).form.submit("decision", value="allow"))


def redeem(flow, client, code, *, status=200, **changes):
    form = {
        "grant_type": "authorization_code",
        "client_id": client["client_id"],
        "redirect_uri": client["redirect_uris"][0],
        "code": code,
        "code_verifier": VERIFIER,
        **changes,
    }
    return flow.server.app.post("/oauth/token", form, status=status).json


def find(flow, client):
    return flow.server.clients.find(client["client_id"])


def read_page(page):
    return " ".join(re.sub(r"<[^>]*>", " ", page.text).split())


KEYS = publish(KEY)


def prove(client, **how):
    """The parameters by which a client proves with :data:`KEYS` who it is."""
    return {
        "client_assertion_type": TYPE,
        "client_assertion": sign(SimpleNamespace(client_id=client["client_id"]), **how),
    }
