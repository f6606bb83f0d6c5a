"""Where issuers really run: closed networks without TLS, proxies, gateways that want a header, keys in a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pyramid.config import Configurator
from webtest import TestApp

from pyramid_oauthguard.command.run import Run
from pyramid_oauthguard.guard.settings import parse_settings
from pyramid_oauthguard.testing import MemoryIssuer, bearer, generate_key
from pyramid_oauthguard.urls import as_origin
from tests.certificates import write_authority, write_certificate
from tests.guard.commanded import run_check, write_ini
from tests.guard.guarding import find_setting_error
from tests.issuers import HTTPIssuer
from tests.proxies import TunnelProxy

NAME = "https://login.issuer.test"
AUDIENCE = "https://api.test"


def parse(environ: dict[str, str] | None = None, **settings: Any) -> Any:
    given = {"oauthguard.issuer": NAME, "oauthguard.audience": AUDIENCE}
    given |= {f"oauthguard.{name.replace('__', '.')}": value for name, value in settings.items()}
    return parse_settings(given)


def build(settings: dict[str, str], **more: str) -> TestApp:
    given = {**settings, **{f"oauthguard.{name.replace('__', '.')}": value for name, value in more.items()}}
    config = Configurator(settings=given)
    config.include("pyramid_oauthguard")
    for mode in ("local", "remote") if "oauthguard.introspection.client_id" in given else ("local",):
        config.add_route(mode, f"/{mode}")
        config.add_view(
            lambda request: {"sub": request.access_token.subject}, route_name=mode, renderer="json", token_check=mode
        )
    return TestApp(config.make_wsgi_app())


def find_status(app: TestApp, path: str, raw: str) -> int:
    return app.get(path, headers=bearer(raw), status="*").status_int


@pytest.fixture(autouse=True)
def no_proxy_of_this_machine(monkeypatch):
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.promise("GD-33")
def test_an_authority_that_is_not_as_rfc_5280_says(tmp_path):
    """As that of Amazon EKS: with http.ca_file, Python 3.13 refused it, and no setting helped."""
    authority, identity = write_authority(tmp_path, "issuer.test", is_strict=False)
    with HTTPIssuer(tls=identity) as server:
        named = {**server.settings, "oauthguard.http.ca_file": str(authority)}
        assert find_status(build(named), "/local", server.issuer.mint()) == 200
        (tmp_path / "another").mkdir()
        other, _identity = write_authority(tmp_path / "another", "issuer.test", is_strict=False)
        foreign = {**named, "oauthguard.http.ca_file": str(other)}
        assert find_status(build(foreign), "/local", server.issuer.mint()) == 503


# ── hosts without TLS ───────────────────────────────────────────────────────────────────────────────────────────────

ADDRESSES = {
    "issuer": {"issuer": "http://keycloak:8080/realms/shop"},
    "metadata_url": {"issuer": "http://localhost:8080/realms/shop", "metadata_url": "http://keycloak:8080/m"},
    "jwks_uri": {"jwks_uri": "http://keycloak:8080/certs"},
    "introspection.endpoint": {"introspection__endpoint": "http://keycloak:8080/introspect"},
}


@pytest.mark.promise("GD-33")
@pytest.mark.parametrize("key", ADDRESSES)
def test_an_address_without_tls_needs_its_host_in_the_list(key):
    settings = ADDRESSES[key]
    for hosts in ("keycloak", "other keycloak:8080", "KEYCLOAK"):
        parse(**settings, http__insecure_hosts=hosts)
    for hosts in ("", "keycloak:80", "keycloak.test", "key"):
        error = find_setting_error(lambda hosts=hosts: parse(**settings, http__insecure_hosts=hosts))
        assert error.key == f"oauthguard.{key}"
        assert "list keycloak in oauthguard.http.insecure_hosts" in error.hint


@pytest.mark.parametrize("entry", ["http://keycloak", "*", "keycloak.", "127.1", "0x7f.1", "a/b"])
def test_a_host_that_is_not_one(entry):
    assert find_setting_error(lambda: parse(http__insecure_hosts=entry)).key == "oauthguard.http.insecure_hosts"


@pytest.mark.parametrize(
    "issuer",
    ["http://adfs.example.com/adfs/services/trust", "wso2.org/products/am", "urn:example:issuer", "https://a.test/x?y"],
)
def test_the_issuer_may_be_any_name_where_the_settings_say_what_is_fetched(issuer, tmp_path):
    key = generate_key("ES256", kid="k")
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": [key.jwk]}))
    for named in ({"jwks_uri": "https://a.test/keys"}, {"metadata_url": "https://a.test/m"}, {"jwks_file": str(file)}):
        assert parse(issuer=issuer, **named).issuer == issuer
    assert find_setting_error(lambda: parse(issuer=issuer)).key == "oauthguard.issuer"
    raw = MemoryIssuer(issuer, audience=AUDIENCE).mint(key=key)
    settings = {"oauthguard.issuer": issuer, "oauthguard.audience": AUDIENCE, "oauthguard.jwks_file": str(file)}
    assert find_status(build(settings), "/local", raw) == 200
    with_remote = {"introspection__client_id": "x", "introspection__client_secret": "y"}
    assert find_setting_error(lambda: build(settings, **with_remote)).key == "oauthguard.introspection.endpoint"


@pytest.mark.promise("GD-33", "GD-44")
def test_a_split_between_the_name_and_the_address():
    """Outside it is called localhost:8080, here 127.0.0.1: keys and introspection are where the metadata say."""
    with HTTPIssuer("/realms/shop", identifier="http://localhost:8080/realms/shop") as server:
        server.extra = {"jwks_uri": f"{server.origin}/jwks", "introspection_endpoint": f"{server.origin}/introspect"}
        app = build(server.settings, metadata_url=server.origin + server.well_known)
        raw = server.issuer.mint()
        assert [find_status(app, path, raw) for path in ("/local", "/remote")] == [200, 200]


@pytest.mark.slow
def test_check_does_not_advise_against_the_addresses_of_a_split(tmp_path):
    """The metadata have the addresses for browsers."""
    with HTTPIssuer("/realms/shop", identifier="http://localhost:8080/realms/shop") as server:
        settings = server.settings | {"oauthguard.metadata_url": server.origin + server.well_known}
        settings |= {"oauthguard.jwks_uri": f"{server.origin}/jwks"}
        settings |= {"oauthguard.introspection.endpoint": f"{server.origin}/introspect"}
        assert "remove the setting?" not in run_check(write_ini(tmp_path, settings, "remote")).output
        settings["oauthguard.jwks_uri"] = f"{server.origin}/jwks".replace("127.0.0.1", "localhost")
        assert "remove the setting?" in run_check(write_ini(tmp_path, settings, "remote")).output


# ── proxies ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def pem(tmp_path_factory):
    return write_certificate(tmp_path_factory.mktemp("tls"), name="login.issuer.test")


@pytest.fixture
def site(pem):
    with HTTPIssuer(tls=pem, identifier=NAME) as server:
        yield server


@pytest.mark.promise("GD-26")
@pytest.mark.parametrize("place", ["the setting", "the environment", "the environment, lower case", "a file"])
def test_an_issuer_behind_a_proxy(site, place, monkeypatch, tmp_path):
    hosts = {"login.issuer.test": as_origin(site.origin).port}
    with TunnelProxy(hosts).running() as proxy:
        address = proxy.url.replace("//", "//ada:s3cret@")
        more = {"http__proxy": address} if place == "the setting" else {}
        if place == "a file":
            file = tmp_path / "proxy"
            file.write_text(address)
            more = {"http__proxy_file": str(file)}
        if place.startswith("the env"):
            monkeypatch.setenv("https_proxy" if "lower" in place else "HTTPS_PROXY", address)
        app = build(site.settings, **more)
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # it is read once
        raw = site.issuer.mint()
        assert [find_status(app, path, raw) for path in ("/local", "/remote")] == [200, 200]
        assert set(proxy.targets) == {"login.issuer.test:443"}
        assert all(b"YWRhOnMzY3JldA==" in head for head in proxy.heads)
    assert not [headers for headers in site.headers if "Proxy-Authorization" in headers]
    assert "s3cret" not in repr(app.app.registry.oauthguard.settings)


def test_what_the_environment_says_can_be_turned_off(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.test:1")
    monkeypatch.setenv("NO_PROXY", "a.test")
    assert parse().http_proxy.url == "http://proxy.test:1"
    assert not parse().http_proxy.serves(as_origin("https://x.a.test"))
    assert parse(http__proxy="off").http_proxy is None
    assert parse(http__no_proxy="b.test,c.test").http_proxy.serves(as_origin("https://a.test"))
    assert not parse(http__no_proxy="b.test,c.test").http_proxy.serves(as_origin("https://c.test"))
    assert not parse(http__proxy="http://other.test:1").http_proxy.serves(as_origin("https://a.test"))


@pytest.mark.parametrize("method", [None, "GET"])
def test_the_proxy_for_requests_without_tls_is_not_read(monkeypatch, method):
    """A CGI server makes HTTP_PROXY of the header Proxy of a request."""
    monkeypatch.setenv("HTTP_PROXY", "http://evil.test:1")
    if method:
        monkeypatch.setenv("REQUEST_METHOD", method)
    assert parse().http_proxy is None


@pytest.mark.promise("GD-26")
def test_a_proxy_that_cannot_be_used_stops_the_start_without_its_password(monkeypatch):
    error = find_setting_error(lambda: parse(http__proxy="socks5://ada:s3cret@p.test:1"))
    assert (error.key, "s3cret" in str(error)) == ("oauthguard.http.proxy", False)
    monkeypatch.setenv("https_proxy", "socks5://ada:s3cret@p.test:1")
    error = find_setting_error(parse)
    assert ("https_proxy" in str(error), "s3cret" in str(error)) == (True, False)
    assert parse(issuer="http://localhost:8080").http_proxy is None, "nothing here would use it"


@pytest.mark.slow
@pytest.mark.promise("GD-26", "GD-33")
def test_check_says_what_requests_go_through_and_which_hosts_have_no_tls(site, tmp_path):
    with TunnelProxy({"login.issuer.test": as_origin(site.origin).port}).running() as proxy:
        settings = {
            **site.settings, "oauthguard.http.proxy": proxy.url.replace("//", "//ada:s3cret@"),
            "oauthguard.http.insecure_hosts": "keycloak:8080",
        }  # fmt: skip
        text = run_check(write_ini(tmp_path, settings, "local")).output
        assert f"requests go through {proxy.url}: {NAME}" in " ".join(text.split())
        assert "keycloak:8080 is asked without TLS" in " ".join(text.split())
        assert "s3cret" not in text
        refused = {**settings, "oauthguard.http.proxy": "http://127.0.0.1:9"}
        text = " ".join(run_check(write_ini(tmp_path, refused, "local")).output.split())
        assert "through the proxy http://127.0.0.1:9" in text


@pytest.mark.slow
def test_the_command_uses_the_proxy_of_its_environment(site, pem):
    with TunnelProxy({"login.issuer.test": as_origin(site.origin).port}).running() as proxy:
        run = Run(environ={"HTTPS_PROXY": proxy.url, "OAUTHGUARD_CA_FILE": str(pem), "OAUTHGUARD_ISSUER": NAME})
        assert run.fetcher.get(f"{NAME}/.well-known/oauth-authorization-server").status == 200
        assert proxy.targets == ["login.issuer.test:443"]
        assert Run(environ={"NO_PROXY": "*", "HTTPS_PROXY": proxy.url}).proxy.bypass == ("*",)


# ── headers and tokens of gateways ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.promise("GD-26")
def test_additional_headers_and_a_token_that_changes(tmp_path):
    file = tmp_path / "token"
    file.write_text("first")
    with HTTPIssuer() as server:
        headers = "X-Api-Key: k3y\n  X-Other: a b"
        app = build(server.settings, http__headers=headers, http__bearer_token_file=str(file), keys__cooldown="0")
        assert find_status(app, "/local", server.issuer.mint()) == 200
        assert find_status(app, "/remote", server.issuer.mint()) == 200
        found = [(each["X-Api-Key"], each["X-Other"], each["Authorization"].split()[0]) for each in server.headers]
        assert found == [("k3y", "a b", "Bearer")] * 2 + [("k3y", "a b", "Basic")]
        assert "k3y" not in repr(app.app.registry.oauthguard.settings)
        file.write_text("second")
        server.headers.clear()
        find_status(app, "/local", server.issuer.mint(key=generate_key("RS256", kid="new")))
        assert server.headers[-1]["Authorization"] == "Bearer second"


@pytest.mark.parametrize(
    "headers",
    [
        "X",
        "X:",
        "X y: z",
        "Host: a",
        "authorization: Bearer s3cret",
        "Content-Length: 3",
        "X: a\nx: s3cret",
        "X: é",
        "X: a\x07b",
    ],
)
def test_a_header_that_cannot_be_added(headers):
    error = find_setting_error(lambda: parse(http__headers=headers))
    assert (error.key, "s3cret" in str(error)) == ("oauthguard.http.headers", False)


def test_what_a_named_issuer_does_not_inherit(tmp_path):
    """Addresses, credentials and what allows more belong to one issuer; how requests leave this network does not."""
    file = tmp_path / "token"
    file.write_text("t")
    settings = parse_settings({
        "oauthguard.issuer": NAME, "oauthguard.audience": AUDIENCE, "oauthguard.issuers": "b",
        "oauthguard.http.insecure_hosts": "keycloak", "oauthguard.http.headers": "X: y",
        "oauthguard.http.bearer_token_file": str(file), "oauthguard.http.proxy": "http://p.test:1",
        "oauthguard.issuers.b.issuer": "https://b.test", "oauthguard.issuers.b.scopes": "any",
    })  # fmt: skip
    (named,) = settings.named
    assert (named.http_insecure_hosts, named.http_headers, named.http_bearer_token_file) == (frozenset(), {}, None)
    assert named.http_proxy.url == settings.http_proxy.url == "http://p.test:1"


# ── files ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def write_keys(path: Path, *keys: Any) -> None:
    path.write_text(json.dumps({"keys": [key.jwk for key in keys]}))


@pytest.mark.promise("GD-21")
def test_keys_from_a_file_that_changes(tmp_path):
    first, second = generate_key("ES256", kid="1"), generate_key("ES256", kid="2")
    file = tmp_path / "keys.json"
    write_keys(file, first)
    app = build({"oauthguard.issuer": NAME, "oauthguard.audience": AUDIENCE, "oauthguard.jwks_file": str(file)})
    issuer = MemoryIssuer(NAME, audience=AUDIENCE)
    one, two = issuer.mint(key=first), issuer.mint(key=second)
    for _again in range(3):  # from the second use on it is remembered
        assert [find_status(app, "/local", raw) for raw in (one, two)] == [200, 401]
    write_keys(file, second)
    assert [find_status(app, "/local", raw) for raw in (one, two)] == [401, 200]
    file.write_text('{"keys": []}')
    assert [find_status(app, "/local", raw) for raw in (one, two)] == [401, 401]
    write_keys(file, first)
    assert find_status(app, "/local", one) == 200
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert find_status(app, "/local", one) == 200, "a byte order mark is not part of the keys"
    file.write_text(json.dumps({"keys": [second.native.as_dict(private=True)]}))
    assert [find_status(app, "/local", raw) for raw in (one, two)] == [200, 401], "it is not adopted"


@pytest.mark.parametrize(
    "key", ["jwks_file", "http.bearer_token_file", "introspection.key_file", "introspection.token_file"]
)
def test_a_file_that_cannot_be_used_stops_the_start(tmp_path, key):
    file = tmp_path / "file"
    for content in (None, "", "\0"):
        if content is not None:
            file.write_text(content)
        error = find_setting_error(lambda: parse(**{key.replace(".", "__"): str(file)}))
        assert (error.key, str(file) in str(error)) == (f"oauthguard.{key}", True)


def test_a_use_of_ones_own():
    key = generate_key("ES256", kid="k")
    issuer = MemoryIssuer(algorithm="ES256")
    issuer.withdraw()
    issuer.publish({**key.jwk, "use": "jwt-svid"}, generate_key("ES256", kid="other").jwk)
    from tests.guard.verifying import build_verifier, find_reason

    raw = issuer.mint(key=key)
    assert find_reason(build_verifier(issuer), raw) == "unknown_key"
    assert build_verifier(issuer, key_uses="sig jwt-svid").verify(raw)
    assert find_setting_error(lambda: parse(key_uses="enc")).key == "oauthguard.key_uses"


# ── who asks ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("method", ["private_key_jwt", "bearer"])
def test_introspection_with_a_signed_assertion_or_a_token(tmp_path, method):
    key = generate_key("ES256", kid="k")
    pem, token = tmp_path / "key.pem", tmp_path / "token"
    pem.write_bytes(key.native.as_pem(private=True))
    token.write_text("t0ken")
    with HTTPIssuer() as server:
        settings = {name: value for name, value in server.settings.items() if "client_secret" not in name}
        settings |= {
            "oauthguard.introspection.auth_method": method,
            "oauthguard.introspection.key_file": str(pem),
            "oauthguard.introspection.token_file": str(token),
        }
        if method == "bearer":
            del settings["oauthguard.introspection.client_id"]
        server.accepts = lambda headers, form: (
            form.get("client_assertion", "").count(".") == 2 or headers.get("Authorization") == "Bearer t0ken"
        )
        config = Configurator(settings=settings)
        config.include("pyramid_oauthguard")
        config.add_route("remote", "/remote")
        config.add_view(lambda request: {}, route_name="remote", renderer="json", token_check="remote")
        app = TestApp(config.make_wsgi_app())
        assert find_status(app, "/remote", server.issuer.mint_opaque()) == 200


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"auth_method": "private_key_jwt", "client_id": "x"}, "introspection.key_file"),
        ({"auth_method": "private_key_jwt", "key_file": "KEY"}, "introspection.client_id"),
        ({"auth_method": "bearer"}, "introspection.token_file"),
        ({"client_id": "x"}, "introspection.client_secret"),
    ],
)
def test_what_a_way_of_authentication_needs(settings, key, tmp_path):
    file = tmp_path / "key"
    file.write_bytes(generate_key("ES256", kid="k").native.as_pem(private=True))
    given = {f"introspection__{name}": str(file) if value == "KEY" else value for name, value in settings.items()}
    assert find_setting_error(lambda: parse(**given)).key == f"oauthguard.{key}"
