"""Issuers in the networks of companies and containers: a proxy with a password, a private authority, a name that differs from the
address. The issuers, the proxy and the web server are programs of other people.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from webtest import TestApp

from tests.certificates import write_authority, write_certificate
from tests.client.terminal import Terminal
from tests.example.servers import find_free_port
from tests.guard.commanded import ROOT, write_ini
from tests.guard.guarding import find_status
from tests.guard.several import build, write
from tests.parties.environments import fetch_token, run_certified, run_mocks
from tests.parties.network import Proxy, give_hosts, run_nginx, run_proxy

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.needs("npm", "tinyproxy", "nginx")]

NAME = "login.corp.test"
MACHINE = ("machine", "certified-machine-secret")
API = {"introspection__client_id": "api", "introspection__client_secret": "certified-api-secret"}
AUDIENCE, OPAQUE = "urn:api:certified", "urn:api:certified-opaque"


@pytest.fixture(autouse=True)
def no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


# ── a proxy, and an authority of the network ─────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Corporation:
    """oidc-provider behind nginx, whose certificate is from a private authority; only a proxy knows its name.

    :ivar direct: the address of oidc-provider, for the tests alone.
    """

    issuer: str
    direct: str
    proxy: Proxy
    authority: Path
    nginx_log: Path

    def fetch(self, resource: str) -> str:
        return fetch_token(f"{self.direct}/token", MACHINE, resource=resource, scope="read")

    def build(self, **settings: str) -> TestApp:
        given = write(None, issuer=self.issuer, audience=f"{AUDIENCE} {OPAQUE}", **API)
        given |= write(None, http__ca_file=str(self.authority), http__proxy=self.proxy.url)
        given |= write(None, **settings)
        return build({name: value for name, value in given.items() if value})


@pytest.fixture(scope="module")
def corporation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Corporation]:
    folder, port = tmp_path_factory.mktemp("corporation"), find_free_port()
    issuer = f"https://{NAME}:{port}"
    authority, certificate = write_authority(folder, NAME)
    with ExitStack() as stack:
        provider = stack.enter_context(run_certified(issuer))
        log = stack.enter_context(run_nginx(folder, port, certificate=certificate, target=provider.url))
        hosts = {NAME: "127.0.0.1"}
        proxy = stack.enter_context(run_proxy(folder, find_free_port(), connect_port=port, hosts=hosts))
        yield Corporation(issuer, provider.url, proxy, authority, log)


@pytest.mark.promise("GD-26")
def test_tokens_are_checked_through_the_proxy(corporation: Corporation, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    app = corporation.build()
    assert find_status(app, "/local", corporation.fetch(AUDIENCE)) == 200
    assert find_status(app, "/remote", corporation.fetch(OPAQUE)) == 200
    assert corporation.proxy.read_tunnels() == {corporation.issuer.removeprefix("https://")}
    lines = corporation.nginx_log.read_text().splitlines()
    assert f"{NAME} GET /jwks proxy-authorization=-" in lines
    assert f"{NAME} POST /token/introspection proxy-authorization=-" in lines
    assert not [line for line in lines if not line.endswith("proxy-authorization=-")]
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({"http__proxy": "off"}, "unreachable"),
        ({"http__proxy": "without a password"}, "it answered 407"),
        ({"http__proxy": "with a wrong password"}, "it answered 40"),
        ({"http__ca_file": ""}, "certificate"),
        ({"http__ca_file": "of another authority"}, "certificate"),
        ({"http__no_proxy": "corp.test"}, "unreachable"),
    ],
    ids=str,
)
def test_without_one_of_the_settings_it_is_an_outage(
    corporation: Corporation, settings: dict[str, str], found: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """503, never 401 or 200; and the log says what is wrong."""
    values = {
        "without a password": f"http://{corporation.proxy.host}",
        "with a wrong password": f"http://ada:wr0ng@{corporation.proxy.host}",
        "of another authority": str(write_certificate(tmp_path, name=NAME)),
    }
    app = corporation.build(**{name: values.get(value, value) for name, value in settings.items()})
    assert find_status(app, "/local", corporation.fetch(AUDIENCE)) == 503
    assert find_status(app, "/remote", corporation.fetch(OPAQUE)) == 503
    assert found in caplog.text
    assert "wr0ng" not in caplog.text


@pytest.mark.promise("GD-26")
def test_the_command_works_through_the_proxy_of_its_environment(corporation: Corporation, terminal: Terminal) -> None:
    terminal.environ = {
        "HTTPS_PROXY": corporation.proxy.url,
        "OAUTHGUARD_CA_FILE": str(corporation.authority),
        "OAUTHGUARD_ISSUER": corporation.issuer,
        "OAUTHGUARD_CLIENT_ID": MACHINE[0],
        "OAUTHGUARD_CLIENT_SECRET": MACHINE[1],
    }
    given = terminal.run("token", "--resource", AUDIENCE, "--scope", "read")
    assert given.status == 0, given.err
    assert find_status(corporation.build(), "/local", given.out.strip()) == 200
    refused = terminal.run("token", "--resource", AUDIENCE, HTTPS_PROXY=f"http://ada:wr0ng@{corporation.proxy.host}")
    assert (refused.status, "wr0ng" in refused.err + refused.out) == (6, False), refused.err


def test_check_and_explain_work_through_the_proxy(corporation: Corporation, terminal: Terminal, tmp_path: Path) -> None:
    settings = write(None, issuer=corporation.issuer, audience=f"{AUDIENCE} {OPAQUE}", **API)
    ini = write_ini(tmp_path, settings | write(None, http__ca_file=str(corporation.authority)), "local, remote")
    terminal.environ = {"HTTPS_PROXY": corporation.proxy.url, "PYTHONPATH": str(ROOT)}
    checked = terminal.run("check", str(ini))
    assert checked.status == 0, checked.out + checked.err
    assert f"requests go through http://{corporation.proxy.host}" in " ".join(checked.out.split())
    explained = terminal.run("explain", str(ini), "-", stdin=corporation.fetch(OPAQUE))
    assert "remote  accepted" in explained.out, explained.out + explained.err
    assert "s3cret" not in checked.out + checked.err + explained.out + explained.err


def test_a_private_authority_without_a_proxy(corporation: Corporation, tmp_path: Path) -> None:
    """The metadata are from the address that the certificate is for, and name the other host: the addresses are in the settings."""
    port = corporation.issuer.rpartition(":")[2]
    near = f"https://127.0.0.1:{port}"
    places = {"metadata_url": f"{near}/.well-known/openid-configuration", "jwks_uri": f"{near}/jwks"}
    places |= {"introspection__endpoint": f"{near}/token/introspection", "http__proxy": "off"}
    assert find_status(corporation.build(**places), "/local", corporation.fetch(AUDIENCE)) == 200
    assert find_status(corporation.build(**places), "/remote", corporation.fetch(OPAQUE)) == 200
    other = str(write_certificate(tmp_path, name=NAME))
    assert find_status(corporation.build(**places, http__ca_file=other), "/local", corporation.fetch(AUDIENCE)) == 503


# ── a name for browsers and an address for containers ────────────────────────────────────────────────────────────────


@pytest.fixture
def container(terminal: Terminal, tmp_path: Path) -> Terminal:
    """A program in a network of containers, where the issuer is called keycloak."""
    terminal.environ = {**give_hosts(tmp_path, {"keycloak": "127.0.0.1"}), "PYTHONPATH": str(ROOT)}
    return terminal


def explain(container: Terminal, folder: Path, settings: dict[str, Any], views: str, raw: str) -> str:
    """What `explain` says of the token, after `check` found no error."""
    ini = write_ini(folder, settings, views)
    checked = container.run("check", str(ini))
    assert checked.status == 0, checked.out + checked.err
    assert "keycloak is asked without TLS" in " ".join(checked.out.split())
    assert "remove the setting?" not in checked.out
    return container.run("explain", str(ini), "-", stdin=raw).out


@pytest.mark.promise("GD-33")
def test_the_metadata_name_the_host_that_was_asked(container: Terminal, tmp_path: Path) -> None:
    """oidc-provider, as Keycloak with a dynamic back channel: `iss` is for browsers, the addresses are those of the caller."""
    issuer = "http://localhost:8080"
    with run_certified(issuer) as provider:
        address = provider.url.replace("127.0.0.1", "keycloak")
        settings = write(None, issuer=issuer, audience=f"{AUDIENCE} {OPAQUE}", http__insecure_hosts="keycloak", **API)
        settings |= write(None, metadata_url=f"{address}/.well-known/openid-configuration")
        for resource, accepted in ((AUDIENCE, "local   accepted"), (OPAQUE, "remote  accepted")):
            raw = fetch_token(f"{provider.url}/token", MACHINE, resource=resource, scope="read")
            assert accepted in explain(container, tmp_path, settings, "local, remote", raw)
        assert "Host: keycloak" in provider.text


@pytest.mark.promise("GD-33")
def test_the_metadata_name_the_host_of_browsers(container: Terminal, tmp_path: Path) -> None:
    """oauth2-mock-server, as most issuers: the addresses of the containers are in the settings."""
    issuer = "http://localhost:8080/realms/shop"
    with run_mocks({"shop": issuer}) as mocks:
        address = mocks["shop"].url.replace("127.0.0.1", "keycloak")
        settings = write(None, issuer=issuer, audience="urn:api:shop", http__insecure_hosts="keycloak")
        settings |= write(None, metadata_url=f"{address}/.well-known/openid-configuration", jwks_uri=f"{address}/jwks")
        raw = fetch_token(f"{mocks['shop'].url}/token", made={"claims": {"sub": "ada", "aud": "urn:api:shop"}})
        assert "local   accepted" in explain(container, tmp_path, settings, "local", raw)
        assert "GET /jwks" in mocks["shop"].text
