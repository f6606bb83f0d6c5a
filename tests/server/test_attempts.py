"""Applications that run a request again, as pyramid_retry does: what the endpoints stored in the first attempt is committed."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import ECKey
from webtest import TestApp

from pyramid_oauthguard.errors import UnavailableError
from pyramid_oauthguard.server.grant_types import DEVICE_CODE
from tests.server.conftest import Build, basic
from tests.server.flows import LOOPBACK, Flow, build_flow

KEY = ECKey.generate_key("P-256", parameters={"kid": "one"})
#: Where the application fails: before the endpoint, after it read the form itself, or after the endpoint answered.
PLACES = ("before", "form", "after")


class ConflictError(Exception):
    """What a database raises that can't serialize two transactions."""


class Attempts:
    """Runs each request twice, with one environ, as pyramid_retry does. The first attempt fails."""

    def __init__(self) -> None:
        self.place = ""

    def __call__(self, environ: Any, router: Any) -> Any:
        with router.request_context(environ) as request:
            request.make_body_seekable()
        for number in (0, 1):
            environ["retry.attempt"] = number
            try:
                with router.request_context(environ) as request:
                    return router.invoke_request(request)
            except ConflictError:
                continue
        raise AssertionError("the second attempt failed too")

    def make_tween(self, handler: Any, _registry: Any) -> Any:
        def tween(request: Any) -> Any:
            fails = request.environ["retry.attempt"] == 0
            if fails and self.place == "form":
                request.POST.get("a")
            if fails and self.place in {"before", "form"}:
                raise ConflictError
            response = handler(request)
            if fails and self.place == "after":
                raise ConflictError
            return response

        return tween


attempts = Attempts()
make_tween = attempts.make_tween  # the name that the application gives to Pyramid


@pytest.fixture(params=PLACES)
def flow(build: Build, request: pytest.FixtureRequest) -> Any:
    def configure(config: Any) -> None:
        config.set_execution_policy(attempts)
        config.add_tween(f"{__name__}.make_tween")

    settings = {
        "registration": "open",
        "self_registered.scopes": "read",
        "self_registered.audiences": "https://api.example",
    }
    attempts.place = ""
    flow = build_flow(build, settings, configure=configure)
    flow.server.app.place = request.param
    yield flow
    attempts.place = ""


def post(flow: Flow, path: str, form: Any, **how: Any) -> Any:
    """The answer to a request whose first attempt fails."""
    attempts.place = flow.server.app.place
    try:
        return TestApp(flow.server.app.app).post(path, form, **how)
    finally:
        attempts.place = ""


@pytest.mark.slow
@pytest.mark.promise("AS-40")
def test_a_code_is_not_used_again_by_a_second_attempt(flow: Flow) -> None:
    """The second attempt ended the grant of the first: the user was signed out by a conflict in the application's database."""
    form = {"grant_type": "authorization_code", "code": flow.allow(), "code_verifier": "v" * 43}
    form["redirect_uri"] = flow.ask()["redirect_uri"]
    headers = basic(flow.web.client.client_id, flow.web.secret or "")
    tokens = post(flow, "/oauth/token", form, headers=headers).json
    assert flow.is_active(tokens["access_token"])
    assert flow.redeem(form["code"], status=400)["error"] == "invalid_grant", "another request is a replay as before"
    assert not flow.is_active(tokens["access_token"])


@pytest.mark.slow
def test_a_device_code_is_not_used_again_by_a_second_attempt(flow: Flow) -> None:
    made = flow.server.clients.create("TV", public=True, grants=["device_code"], scopes=["read"])
    client = {"client_id": made.client.client_id}
    device = post(flow, "/oauth/device_authorization", client).json
    page = flow.sign_in().get("/oauth/device", {"user_code": device["user_code"]}).form.submit()
    page.form.submit("decision", value="allow")
    form = {"grant_type": DEVICE_CODE, "device_code": device["device_code"], **client}
    assert flow.is_active(post(flow, "/oauth/token", form).json["access_token"])


@pytest.mark.slow
def test_an_assertion_is_not_used_again_by_a_second_attempt(flow: Flow) -> None:
    keys = {"keys": [KEY.as_dict(private=False)]}
    signer = flow.server.clients.create("Signer", grants=["client_credentials"], scopes=["read"], jwks=keys).client
    now = int(time.time())
    names = {"iss": signer.client_id, "sub": signer.client_id, "aud": "http://localhost:6543/oauth/token", "jti": "one"}
    claims = json.dumps({**names, "iat": now, "exp": now + 60})
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": jws.serialize_compact({"alg": "ES256", "kid": "one"}, claims, KEY),
    }
    assert post(flow, "/oauth/token", form).json["scope"] == "read"


@pytest.mark.slow
def test_a_client_registers_once_in_two_attempts(flow: Flow) -> None:
    """The second attempt found an empty body."""
    body = b'{"redirect_uris": ["%s"], "client_name": "Once"}' % LOOPBACK.encode()
    made = post(flow, "/oauth/register", body, content_type="application/json", status=201).json
    named = [each for each in flow.server.clients.list_all() if each.name == "Once"]
    assert [each.client_id for each in named] == [made["client_id"]]


@pytest.mark.slow
def test_an_outage_is_not_the_answer_of_the_second_attempt(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    outages = [UnavailableError("storage")]

    def keep_up(_self: Any) -> None:
        if outages:
            raise outages.pop()

    monkeypatch.setattr(type(flow.server.service.keys), "keep_up", keep_up)
    headers = basic(flow.web.client.client_id, flow.web.secret or "")
    form = {"grant_type": "refresh_token", "refresh_token": "x"}
    # An attempt that fails before the endpoint never meets the outage, which the second one does.
    status = 400 if flow.server.app.place == "after" else 503
    assert post(flow, "/oauth/token", form, headers=headers, status=status)
