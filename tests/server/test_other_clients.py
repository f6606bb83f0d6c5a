"""Clients of other people complete every flow over real HTTP: Authlib, requests-oauthlib, and npm's openid-client."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from authlib.integrations.requests_client import OAuth2Session as AuthlibSession
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc.jwk import ECKey
from oauthlib.oauth2 import BackendApplicationClient, DeviceClient, OAuth2Error
from oauthlib.oauth2.rfc8628.errors import AuthorizationPendingError
from requests_oauthlib import OAuth2Session
from webtest.http import StopableWSGIServer

from tests.client.issuers import install_foreign
from tests.example.servers import find_free_port
from tests.server.conftest import Build
from tests.server.flows import Flow, build_flow

pytestmark = pytest.mark.slow

SOURCE = Path(__file__).parent / "foreign"
CACHE = Path(__file__).parents[2] / ".cache" / "openid-client"
CALLBACK = "https://web.example/callback?tenant=1"
LOOPBACK = "http://127.0.0.1:49152/callback"
SHOP = "https://shop.example/callback"  # openid-client sends no other parameters of it along
USER_GRANTS = ["authorization_code", "refresh_token"]
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
VERIFIER = "v" * 64
KEY = ECKey.generate_key("P-256", parameters={"kid": "one", "alg": "ES256"})


@dataclass
class Site:
    """A server on a real socket, and clients of each kind."""

    url: str
    flow: Flow

    def __post_init__(self) -> None:
        create = self.flow.server.clients.create
        device = {"grants": ["device_code", "refresh_token"], "scopes": ["read"]}
        jwks = {"keys": [KEY.as_dict(private=False)]}
        self.television = create("Television", public=True, **device)
        self.shop = create("Shop", redirect_uris=[SHOP], grants=USER_GRANTS, scopes=["read", "write"])
        self.native = self.flow.native
        self.signer = create("Signer", grants=["client_credentials"], scopes=["read"], jwks=jwks)

    def end(self, name: str) -> str:
        return f"{self.url}/oauth/{name}"

    def is_active(self, token: str) -> bool:
        api = self.flow.server.api
        answer = requests.post(
            self.end("introspect"), {"token": token}, auth=(api.client.client_id, api.secret), timeout=30
        )
        return bool(answer.json()["active"])

    def allow(self, url: str) -> str:
        """Where the browser of a user is sent who allows what is asked at this address."""
        assert url.startswith(self.end("authorize"))
        answer = self.flow.sign_in().get(url.removeprefix(self.url))
        if answer.status_int == 200:
            answer = answer.form.submit("decision", value="allow")
        location: str = answer.headers["Location"]
        return location

    def type_code(self, address: str, code: str, decision: str = "allow") -> None:
        page = self.flow.sign_in().get(address.removeprefix(self.url))
        page.form["user_code"] = code
        page.form.submit().form.submit("decision", value=decision, status=303)


@pytest.fixture
def site(build: Build) -> Iterator[Site]:
    port = find_free_port()
    url = f"http://127.0.0.1:{port}"
    flow = build_flow(
        build, {"issuer": url, "device_interval": "1s", "audience": "https://api.example https://b.example"}
    )
    server = StopableWSGIServer.create(flow.server.app.app, host="127.0.0.1", port=port, threads=4)
    yield Site(url, flow)
    server.shutdown()
    server.runner.join(10)


# Authlib


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_authlib_gets_a_token_for_itself_and_revokes_it(site, method):
    program = site.flow.server.program
    session = AuthlibSession(program.client.client_id, program.secret, token_endpoint_auth_method=method)
    with session:
        token = session.fetch_token(site.end("token"), grant_type="client_credentials", scope="read")
        assert site.is_active(token["access_token"])
        answer = session.revoke_token(site.end("revoke"), token=token["access_token"], token_type_hint="access_token")
        assert (answer.status_code, answer.json()) == (200, {})
        assert not site.is_active(token["access_token"])


def test_authlib_signs(site):
    signer = site.signer.client
    with AuthlibSession(
        signer.client_id,
        KEY,
        token_endpoint_auth_method=PrivateKeyJWT(site.end("token"), alg="ES256"),
    ) as session:
        tokens = [session.fetch_token(site.end("token"), grant_type="client_credentials") for _ in range(2)]
        assert all(site.is_active(token["access_token"]) for token in tokens)


@pytest.mark.parametrize("which", ["web", "native"])
def test_authlib_logs_a_user_in_and_refreshes(site, which):
    made = getattr(site.flow, which)
    uri = CALLBACK if which == "web" else LOOPBACK
    method = {} if made.secret else {"token_endpoint_auth_method": "none"}
    with AuthlibSession(
        made.client.client_id, made.secret, scope="read write", redirect_uri=uri, code_challenge_method="S256", **method
    ) as session:
        url, state = session.create_authorization_url(site.end("authorize"), code_verifier=VERIFIER)
        back = site.allow(url)
        token = session.fetch_token(site.end("token"), authorization_response=back, code_verifier=VERIFIER, state=state)
        assert token["scope"] == "read write"
        fresh = session.refresh_token(site.end("token"), refresh_token=token["refresh_token"])
        assert fresh["refresh_token"] != token["refresh_token"]
        assert site.is_active(fresh["access_token"])
        session.revoke_token(site.end("revoke"), token=fresh["refresh_token"], token_type_hint="refresh_token")
        assert not site.is_active(fresh["access_token"])


def test_authlib_connects_a_device(site):
    client_id = site.television.client.client_id
    with AuthlibSession(client_id, token_endpoint_auth_method="none") as session:
        form = {"client_id": client_id, "scope": "read"}
        codes = requests.post(site.end("device_authorization"), form, timeout=30).json()
        site.type_code(codes["verification_uri_complete"], codes["user_code"])
        token = session.fetch_token(site.end("token"), grant_type=DEVICE, device_code=codes["device_code"])
        assert site.is_active(token["access_token"])


# requests-oauthlib


@pytest.fixture
def loopback(monkeypatch):
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")  # it knows no loopback


@pytest.mark.usefixtures("loopback")
def test_requests_oauthlib_gets_a_token_for_itself(site):
    program = site.flow.server.program
    with OAuth2Session(client=BackendApplicationClient(program.client.client_id, scope=["read"])) as session:
        token = session.fetch_token(site.end("token"), client_id=program.client.client_id, client_secret=program.secret)
        assert token["scope"] == ["read"]
        assert site.is_active(token["access_token"])


@pytest.mark.usefixtures("loopback")
@pytest.mark.parametrize("which", ["web", "native"])
def test_requests_oauthlib_logs_a_user_in_and_refreshes(site, which):
    made = getattr(site.flow, which)
    client_id, uri = made.client.client_id, CALLBACK if which == "web" else LOOPBACK
    with OAuth2Session(client_id, redirect_uri=uri, scope=["read", "write"], pkce="S256") as session:
        url, _state = session.authorization_url(site.end("authorize"))
        proof = {"client_secret": made.secret} if made.secret else {"include_client_id": True}
        token = session.fetch_token(site.end("token"), authorization_response=site.allow(url), **proof)
        assert site.is_active(token["access_token"])
        how = {"auth": (client_id, made.secret)} if made.secret else {"client_id": client_id}
        fresh = session.refresh_token(site.end("token"), **how)
        assert fresh["refresh_token"] != token["refresh_token"]
        assert site.is_active(fresh["access_token"])


@pytest.mark.usefixtures("loopback")
def test_requests_oauthlib_connects_a_device(site):
    client_id = site.television.client.client_id
    with OAuth2Session(client=DeviceClient(client_id, scope=["read"])) as session:
        codes = requests.post(
            site.end("device_authorization"), {"client_id": client_id, "scope": "read"}, timeout=30
        ).json()
        how = {"device_code": codes["device_code"], "include_client_id": True}
        with pytest.raises((AuthorizationPendingError, OAuth2Error), match="authorization_pending"):
            session.fetch_token(site.end("token"), **how)
        site.type_code(codes["verification_uri"], codes["user_code"])
        assert site.is_active(session.fetch_token(site.end("token"), **how)["access_token"])


# openid-client


@dataclass
class Node:
    """openid-client in a process of its own, and what it says and hears."""

    process: subprocess.Popen[str]

    def hear(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            pytest.fail(self.process.stderr.read() if self.process.stderr else "it said nothing")
        return json.loads(line)

    def say(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{text}\n")
        self.process.stdin.flush()


@contextmanager
def run_node(flow: str, **configuration: Any) -> Iterator[Node]:
    folder = install_foreign(SOURCE, CACHE)
    command = ["node", str(SOURCE / "flows.mjs"), str(folder), flow, json.dumps(configuration)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, env={**os.environ, "NODE_NO_WARNINGS": "1"}, **pipes) as process:
        try:
            yield Node(process)
        finally:
            process.terminate()


def name_credentials(made: Any, method: str) -> dict[str, Any]:
    return {"client_id": made.client.client_id, "secret": made.secret, "method": method}


@pytest.mark.needs("node", "npm")
@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "private_key_jwt"])
def test_openid_client_gets_a_token_for_itself_introspects_and_revokes_it(site, method):
    server = site.flow.server
    made = site.signer if method == "private_key_jwt" else server.program
    api = {"issuer": site.url, **name_credentials(server.api, "client_secret_basic")}
    how = {
        **name_credentials(made, method),
        "key": KEY.as_dict(private=True),
        "api": api,
        "resource": "https://b.example",
    }
    with run_node("client_credentials", issuer=site.url, **how) as node:
        heard = node.hear()
        assert (heard["said"]["active"], heard["said"]["aud"]) == (True, "https://b.example")
        assert node.process.wait(30) == 0
    assert not site.is_active(heard["tokens"]["access_token"])


@pytest.mark.needs("node", "npm")
@pytest.mark.parametrize("which", ["shop", "native"])
def test_openid_client_logs_a_user_in_refreshes_and_revokes(site, which):
    made = getattr(site, which)
    how = name_credentials(made, "client_secret_basic" if made.secret else "none")
    with run_node("authorization_code", issuer=site.url, redirect_uri=SHOP if made.secret else LOOPBACK, **how) as node:
        node.say(site.allow(node.hear()))
        heard = node.hear()
        assert [heard[name]["scope"] for name in ("tokens", "fresh", "reused")] == ["read write", "read", "read write"]
        assert all(site.is_active(heard[name]["access_token"]) for name in ("tokens", "fresh", "reused"))
        node.say("go on")
        assert node.hear() == {"refused": {"error": "invalid_grant", "status": 400}}
    assert not site.is_active(heard["tokens"]["access_token"])


@pytest.mark.needs("node", "npm")
@pytest.mark.parametrize("decision", ["allow", "deny"])
def test_openid_client_connects_a_device(site, decision):
    with run_node("device", issuer=site.url, **name_credentials(site.television, "none")) as node:
        codes = node.hear()
        site.type_code(codes["verification_uri_complete"], codes["user_code"], decision)
        tokens = node.hear()["tokens"]
    if decision == "allow":
        assert site.is_active(tokens["access_token"])
    else:
        assert tokens == {"error": "access_denied"}
