"""Where an issuer can't be asked, the cause is data: `check` and `explain` say what came back and which setting helps."""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from webtest import TestApp

from pyramid_oauthguard.discovery import fetch_metadata
from pyramid_oauthguard.errors import UnavailableError
from pyramid_oauthguard.fetch import Fetcher
from pyramid_oauthguard.guard.reports.remedies import find_remedy
from pyramid_oauthguard.testing import MemoryIssuer, bearer
from tests.client.issuers import ScriptedIssuer, run_scripted
from tests.guard.commanded import main, run_check, run_explain, write_ini

pytestmark = pytest.mark.slow

METADATA = "/.well-known/oauth-authorization-server"
PRIVATE = "a-secret-of-a-redirect"


@pytest.fixture
def scripted() -> Iterator[ScriptedIssuer]:
    """An issuer that answers everything well."""
    with run_scripted() as issuer:
        issuer.answers["/jwks"] = MemoryIssuer(issuer.issuer).jwks
        issuer.answers["/introspect"] = {"active": False}
        yield issuer


def build_settings(issuer: str) -> dict[str, str]:
    return {
        "oauthguard.issuer": issuer,
        "oauthguard.audience": "https://api.test",
        "oauthguard.introspection.client_id": "api",
        "oauthguard.introspection.client_secret": "the-secret-of-the-api",
    }


def redirect(location: str | None) -> tuple[int, bytes, dict[str, str]]:
    return 301, b"", {} if location is None else {"Location": location}


#: What is asked for; its answer; what is said of it; the setting that helps.
ANSWERS = [
    ("metadata", redirect("/o/elsewhere/"), "answered 301 with Location /o/elsewhere/", "oauthguard.metadata_url"),
    ("metadata", redirect(f"https://x.test/y?code={PRIVATE}"), "with Location https://x.test/y…", "oauthguard.metadata_url"),
    ("metadata", redirect("https://x.test/" + "y" * 900), "with Location https://x.test/yyy", "oauthguard.metadata_url"),
    ("metadata", redirect("/\x9b31m"), "with Location /?31m", "oauthguard.metadata_url"),
    ("metadata", redirect(None), "answered 301 without Location", "oauthguard.metadata_url"),
    ("metadata", (404, b"<html>"), "answered 404", "oauthguard.metadata_url"),
    ("metadata", (401, b""), "answered 401", "oauthguard.metadata_url"),
    ("metadata", (403, b""), "answered 403", "oauthguard.http.bearer_token_file, or oauthguard.http.headers"),
    ("keys", (401, b""), "answered 401 without a key set", "oauthguard.http.bearer_token_file"),
    ("metadata", (503, b""), "answered 503", ""),
    ("metadata", (200, b"<html>"), "did not answer with a JSON object", "oauthguard.metadata_url"),
    ("metadata", {"issuer": "https://other.test"}, "describes 'https://other.test'", "oauthguard.issuer"),
    ("metadata", {"issuer": "https://other.test"}, "those of ADFS", "oauthguard.jwks_uri"),
    ("metadata", {"issuer": "https://other.test/{tenantid}/v2.0"}, "metadata of many tenants", "oauthguard.issuer_values"),
    ("metadata", {}, "names no issuer", "oauthguard.metadata_url"),
    ("metadata", (200, b"{" + b" " * 2_000_000), "more than 1048576 bytes", "oauthguard.http.max_bytes"),
    ("keys", redirect("/elsewhere"), "answered 301 with Location /elsewhere", "oauthguard.jwks_uri"),
    ("keys", (404, b""), "answered 404 without a key set", "oauthguard.jwks_uri"),
    ("keys", {}, "answered 200 without a key set", "oauthguard.jwks_uri"),
    ("keys", {"keys": [{"kty": "RSA", "use": "jwt-svid"}]}, "its use is 'jwt-svid', not sig", "oauthguard.key_uses"),
    ("keys", {"k1": "-----BEGIN CERTIFICATE-----\nMII"}, "answered 200 with keys or certificates in PEM", "oauthguard.jwks_file"),
    ("keys", (200, b"\n-----BEGIN PUBLIC KEY-----\nMII"), "answered 200 with keys or certificates in PEM", "ends in -jwk"),
    ("keys", {"kty": "RSA"}, "answered 200 with a single key, not with a key set", "oauthguard.jwks_uri"),
    ("keys", {"keys": []}, "no key", "is oauthguard.jwks_uri right"),
    ("keys", {"keys": [{"kty": "RSA", "d": "AQAB"}]}, "it is private or symmetric: it has d", "must make new keys"),
    ("keys", {"keys": [{"kty": "RSA", "x5c": ["MII"]}]}, "it is malformed: it has no n and no e, only a certificate (x5c)", "oauthguard.jwks_file"),
    ("keys", {"keys": [{"kty": "RSA", "n": "AQ==", "e": "AQAB"}]}, "it is malformed: its n is not base64url without padding", "RFC 7518"),
    ("keys", {"keys": [{"kty": "RSA", "use": "enc"}]}, "its use is 'enc', not sig", "oauthguard.algorithms"),
    ("introspection", redirect("/elsewhere"), "answered 301 with Location /elsewhere", "oauthguard.introspection.endpoint"),
    ("introspection", (401, {"error": "invalid_client"}), "answered 401 invalid_client", "oauthguard.introspection.client_id"),
    ("introspection", (403, b""), "answered 403", "oauthguard.introspection.client_id"),
    ("introspection", (400, {"error": "\x1b[31m" + "x" * 99}), "answered 400 ?[31mxxx", "oauthguard.introspection.client_id"),
    ("introspection", (404, b""), "answered 404", "oauthguard.introspection.endpoint"),
    ("introspection", (415, b""), "answered 415", "oauthguard.introspection.endpoint"),
    ("introspection", (429, b""), "answered 429", "oauthguard.cache.introspection.expiration_time = 30"),
    ("introspection", (204, b""), "answered 204", ""),
    ("introspection", {"azp": "c", "aud": PRIVATE}, "answered 200 without active; it has aud, azp", "oauthguard.introspection.endpoint"),
    ("introspection", (200, b"eyJhbGciOiJSUzI1NiJ9.eyJ9.c2ln"), "answered with a signature, which was not asked", "oauthguard.introspection.signed"),
    ("introspection", (200, b"<p>a.b.c</p>"), "did not answer with a JSON object", "oauthguard.introspection.endpoint"),
    ("introspection", {}, "answered 200 without active; it has no members", "oauthguard.introspection.endpoint"),
    ("introspection", {"active": "true"}, "its active is neither true nor false; it has active", "oauthguard.introspection.endpoint"),
    ("introspection", {"active": None, "x": PRIVATE}, "its active is neither true nor false; it has active, x", "oauthguard.introspection.endpoint"),
    ("introspection", {"\x1b[31m" * 99: 1}, "without active; it has ?[31m", "oauthguard.introspection.endpoint"),
    ("introspection", {f"n{each:03}": 1 for each in range(500)}, "it has n000, n001", "oauthguard.introspection.endpoint"),
]  # fmt: skip
PATHS = {"metadata": METADATA, "keys": "/jwks", "introspection": "/introspect"}


@pytest.mark.parametrize(("asked", "answer", "said", "setting"), ANSWERS)
def test_what_an_issuer_answered_and_the_setting_that_helps(
    scripted: ScriptedIssuer, tmp_path: Path, asked: str, answer: Any, said: str, setting: str
) -> None:
    scripted.answers[PATHS[asked]] = answer
    ini = write_ini(tmp_path, build_settings(scripted.issuer), "local, remote")
    checked = run_check(ini)
    explained = run_explain(
        ini, "an-opaque-token" if asked == "introspection" else MemoryIssuer(scripted.issuer).mint()
    )
    for result in (checked, explained):
        assert said in result.output
        assert setting in result.output
        assert PRIVATE not in result.output
        assert not {"\x1b", "\x9b"} & set(result.output)
        assert max(map(len, result.output.splitlines())) < 1200
    assert checked.exit_code in (1, 6)
    assert explained.exit_code in (1, 5, 6)  # 5: an opaque token is refused by the local view, whatever the issuer says


@pytest.mark.parametrize("answer", [redirect("/elsewhere"), (200, b"<html>")])
def test_an_introspection_endpoint_of_any_name(scripted: ScriptedIssuer, tmp_path: Path, answer: Any) -> None:
    """If its address did not have the word introspect, the advice of explain was about the keys."""
    scripted.answers["/token/verify"] = answer
    endpoint = {"oauthguard.introspection.endpoint": f"{scripted.issuer}/token/verify"}
    explained = run_explain(
        write_ini(tmp_path, build_settings(scripted.issuer) | endpoint, "remote"), "an-opaque-token"
    )
    assert "oauthguard.introspection.endpoint" in explained.output
    assert "oauthguard.jwks_uri" not in explained.output


def test_keys_of_an_issuer_that_has_only_the_media_type_of_key_sets(scripted: ScriptedIssuer) -> None:
    """As Kubernetes: it answered 406, and every request 503."""
    keys, refusal = scripted.answers["/jwks"], (406, {"message": "available: application/jwk-set+json"})
    scripted.answers["/jwks"] = lambda asked: keys if "application/jwk-set+json" in asked.headers["accept"] else refusal
    app = TestApp(main({}, **build_settings(scripted.issuer), views="local"))
    issuer = MemoryIssuer(scripted.issuer)
    keys["keys"].extend(issuer.jwks["keys"])
    app.get("/local", headers=bearer(issuer.mint()), status=200)


def test_a_caller_is_told_none_of_it(scripted: ScriptedIssuer, tmp_path: Path) -> None:
    for answer in (redirect("/elsewhere"), {"azp": "c"}, (401, {"error": "invalid_client"})):
        scripted.answers["/introspect"] = answer
        app = TestApp(main({}, **build_settings(scripted.issuer), views="remote"))
        refused = app.get("/remote", headers=bearer("opaque"), status=503)
        whole = refused.text + str(refused.headers)
        assert not [
            word for word in ("elsewhere", "azp", "invalid_client", "introspect", scripted.issuer) if word in whole
        ]


@pytest.mark.parametrize(("name", "view"), [("introspection_endpoint", "remote"), ("jwks_uri", "local")])
def test_an_endpoint_that_the_other_document_names_is_found(scripted: ScriptedIssuer, name: str, view: str) -> None:
    """Every request was answered with 503."""
    whole = scripted.answers[METADATA]
    scripted.answers[METADATA] = {key: value for key, value in whole.items() if key != name}
    scripted.answers["/.well-known/openid-configuration"] = whole
    scripted.answers["/introspect"] = {"active": True, "aud": "https://api.test", "exp": 9_000_000_000}
    issuer = MemoryIssuer(scripted.issuer)
    scripted.answers["/jwks"] = issuer.jwks
    app = TestApp(main({}, **build_settings(scripted.issuer), views=view))
    app.get(f"/{view}", headers=bearer(issuer.mint() if view == "local" else "opaque"), status=200)


@pytest.mark.parametrize(
    ("status", "said", "passed_on"),
    [
        (429, "17", 17),
        (503, "17", 17),
        (429, "99999", 300),
        (429, "0", 1),
        (429, "Wed, 21 Oct 2015 07:28:00 GMT", 1),
        (429, "Wed, 21 Oct 2099 07:28:00 GMT", 300),
        (429, "soon", 5),
        (429, "-1", 5),
        (401, "17", 5),
    ],
)
def test_a_caller_is_told_when_the_issuer_wants_to_be_asked_again(
    scripted: ScriptedIssuer, status: int, said: str, passed_on: int
) -> None:
    scripted.answers["/introspect"] = (status, b"", {"Retry-After": said})
    app = TestApp(main({}, **build_settings(scripted.issuer), views="remote"))
    refused = app.get("/remote", headers=bearer("opaque"), status=503)
    assert int(refused.headers["Retry-After"]) == passed_on


@pytest.mark.parametrize(
    ("name", "view", "said"),
    [
        ("introspection_endpoint", "remote", "set oauthguard.introspection.endpoint, or name another document with"),
        ("introspection_endpoint", "remote", "If the issuer has none, check its tokens locally"),
        ("jwks_uri", "local", "set oauthguard.jwks_uri, or name another document with oauthguard.metadata_url"),
    ],
)
def test_an_endpoint_that_the_metadata_do_not_name(
    scripted: ScriptedIssuer, tmp_path: Path, name: str, view: str, said: str
) -> None:
    """One of two documents of an issuer may have it. The advice was to set the address "if this is not it"."""
    document = {key: value for key, value in scripted.answers[METADATA].items() if key != name}
    scripted.answers[METADATA] = document
    ini = write_ini(tmp_path, build_settings(scripted.issuer), view)
    assert said in run_check(ini).output
    assert said in run_explain(ini, MemoryIssuer(scripted.issuer).mint() if view == "local" else "opaque").output


@pytest.mark.parametrize(
    ("subject", "said"), [("127.0.0.1", "self-signed certificate"), ("elsewhere", "certificate is not valid for")]
)
def test_a_certificate_that_is_not_accepted_is_named(tmp_path: Path, subject: str, said: str) -> None:
    pem, key = make_certificate(tmp_path, subject)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)
    with run_scripted(context) as issuer:
        issuer.answers["/jwks"] = MemoryIssuer(issuer.issuer).jwks
        settings = build_settings(issuer.issuer)
        if subject == "elsewhere":
            settings["oauthguard.http.ca_file"] = str(pem)
        ini = write_ini(tmp_path, settings)
        for result in (run_check(ini), run_explain(ini, MemoryIssuer(issuer.issuer).mint())):
            assert said in result.output
            assert ("name its file with oauthguard.http.ca_file" in result.output) is (subject == "127.0.0.1")
            assert ("oauthguard.metadata_url can name another address" in result.output) is (subject == "elsewhere")
            assert result.exit_code == 6


@pytest.mark.parametrize(
    ("cause", "setting", "said"),
    [
        (": SSLError certificate has expired", None, "who runs the issuer must renew it"),
        (": SSLError certificate is not yet valid", None, "set the clock"),
        (" through the proxy http://p:1: ProxyError (it answered 407)", "oauthguard.http.proxy", "a user and a password"),
        (" through the proxy http://p:1: ProxyError (it answered 403)", "oauthguard.http.no_proxy", "refuses this host"),
        (" through the proxy http://p:1: ProxyError ECONNREFUSED", "oauthguard.http.proxy", "can't be reached"),
        (": ProtocolError ECONNRESET", "oauthguard.issuer", "the address has http and this port speaks https"),
        (": NewConnectionError ENETUNREACH", "oauthguard.jwks_uri", "if it is reached through a proxy only"),
        (": ConnectTimeoutError", "oauthguard.http.timeout", "another address in this network, name it with oauthguard.jwks_uri"),
    ],
)  # fmt: skip
def test_a_cause_is_not_taken_for_another(cause: str, setting: str | None, said: str) -> None:
    remedy = find_remedy(UnavailableError("unreachable", f"GET https://a.test/keys{cause}"), "keys")
    assert remedy.setting == setting
    assert said in remedy.text
    assert "ca_file" not in remedy.text
    assert "?." not in remedy.text


def test_check_names_the_host_of_an_address_without_tls(scripted: ScriptedIssuer, tmp_path: Path) -> None:
    scripted.answers[METADATA] = {"issuer": scripted.issuer, "jwks_uri": "http://keycloak:8080/certs"}
    result = run_check(write_ini(tmp_path, build_settings(scripted.issuer)))
    assert "list keycloak:8080 in oauthguard.http.insecure_hosts" in " ".join(result.output.split())


@pytest.mark.parametrize("name", ["jwks_uri", "introspection_endpoint"])
def test_an_address_of_the_metadata_that_only_browsers_reach(
    scripted: ScriptedIssuer, tmp_path: Path, name: str
) -> None:
    """A compose network: the metadata are there, and what they name is not."""
    outside = "http://localhost:9/realms/shop"
    scripted.answers[METADATA] = {
        "issuer": outside,
        "jwks_uri": f"{scripted.issuer}/jwks",
        "introspection_endpoint": f"{scripted.issuer}/introspect",
        name: f"{outside}/somewhere",
    }
    settings = build_settings(outside) | {"oauthguard.metadata_url": scripted.issuer + METADATA}
    ini = write_ini(tmp_path, settings, "remote")
    setting = f"oauthguard.{name.replace('_endpoint', '.endpoint')}"
    for result in (run_check(ini), run_explain(ini, MemoryIssuer(outside).mint() if name == "jwks_uri" else "opaque")):
        assert "ECONNREFUSED" in result.output
        assert f"another address in this network, name it with {setting}" in result.output


def make_certificate(folder: Path, subject: str) -> tuple[Path, Path]:
    pem, key = folder / "certificate.pem", folder / "key.pem"
    name = f"subjectAltName={'IP' if subject[0].isdigit() else 'DNS'}:{subject}"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", pem, "-days", "2"]
    subprocess.run([*command, "-subj", f"/CN={subject}", "-addext", name], check=True, capture_output=True)
    return pem, key


@pytest.mark.parametrize(
    ("issuer", "said", "helps"),
    [
        ("http://127.0.0.1:9", "ECONNREFUSED", "nothing listens there"),
        ("https://no-such-host.invalid", "NameResolutionError", "is it right"),
    ],
)
def test_why_nothing_came_back(tmp_path: Path, issuer: str, said: str, helps: str) -> None:
    result = run_check(write_ini(tmp_path, build_settings(issuer)))
    assert said in result.output
    assert helps in result.output
    assert result.exit_code == 6


def test_an_https_issuer_at_a_port_without_tls(scripted: ScriptedIssuer, tmp_path: Path) -> None:
    result = run_check(write_ini(tmp_path, build_settings(scripted.issuer.replace("http:", "https:"))))
    assert "SSLError" in result.output
    assert "does this port speak https?" in result.output


def test_an_answer_that_never_ends(scripted: ScriptedIssuer, tmp_path: Path) -> None:
    release = threading.Event()
    scripted.answers[METADATA] = lambda asked: (release.wait(20), (404, b""))[1]
    try:
        settings = {**build_settings(scripted.issuer), "oauthguard.http.timeout": "0.3"}
        result = run_check(write_ini(tmp_path, settings))
    finally:
        release.set()
    assert "oauthguard.http.timeout allows more time" in result.output


def test_each_address_that_was_tried_is_named_with_its_status(scripted: ScriptedIssuer) -> None:
    scripted.answers[METADATA] = (403, b"")
    with pytest.raises(UnavailableError) as caught:
        fetch_metadata(Fetcher(), scripted.issuer)
    assert (
        f"{scripted.issuer}{METADATA} answered 403, {scripted.issuer}/.well-known/openid-configuration answered 404"
        in (caught.value.detail)
    )


def test_the_cause_survives_in_json(scripted: ScriptedIssuer, tmp_path: Path) -> None:
    scripted.answers["/introspect"] = {"azp": "c"}
    ini = write_ini(tmp_path, build_settings(scripted.issuer), "remote")
    (finding,) = [each for each in json.loads(run_check(ini, "--format", "json").stdout) if each["level"] == "error"]
    assert (finding["subject"], "without active" in finding["text"]) == ("oauthguard.introspection", True)
    local, outcome = json.loads(run_explain(ini, "opaque", "--format", "json").stdout)
    assert local["reason"] == "not_a_jwt"
    assert outcome["reason"] == "introspection_refused"
    assert outcome["setting"] == "oauthguard.introspection.endpoint"
