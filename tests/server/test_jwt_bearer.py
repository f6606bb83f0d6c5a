"""The JWT bearer grant (RFC 7523): who may assert whom, and what an assertion gives."""

from __future__ import annotations

import json
import logging
import secrets
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import time_machine
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey
from pyramid.httpexceptions import HTTPForbidden

from pyramid_oauthguard.errors import SettingError, UnavailableError
from pyramid_oauthguard.network.meaning import find_environment_proxy
from pyramid_oauthguard.server.clients import RegistrationError
from pyramid_oauthguard.server.self_check import report_server
from pyramid_oauthguard.server.settings import parse_settings
from pyramid_oauthguard.server.tokens.pruning import prune
from pyramid_oauthguard.testing import ABSENT
from pyramid_oauthguard.urls import as_origin
from tests.certificates import write_certificate
from tests.issuers import HTTPIssuer
from tests.proxies import TunnelProxy
from tests.server.conftest import ISSUER, basic
from tests.server.flows import build_flow

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
PARTNER = "https://partner.example"
KEY = ECKey.generate_key("P-256", {"kid": "one"}, private=True)
OTHER = ECKey.generate_key("P-256", {"kid": "one"}, private=True)
SHARED = b"0123456789abcdef0123456789abcdef"
DROP = object()


def find_user(issuer, client, claims):
    """The hook of the application."""
    known = {"p-anna": "anna", "acct:berta@partner.example": "berta", "p-gone": "gone"}
    return known.get(claims["sub"])


@pytest.fixture
def keys(tmp_path):
    file = tmp_path / "partner.json"
    file.write_text(json.dumps({"keys": [KEY.as_dict(private=False)]}))
    return file


@pytest.fixture
def make(build, keys):
    """A function that makes a server which trusts the partner; settings of the partner's table."""

    def build_server(*, more=None, **table):
        values = {"issuer": PARTNER, "jwks_file": str(keys), "scopes": "read write", "subject": find_user, **table}
        settings = {f"assertions.partner.{key}": value for key, value in values.items() if value is not None}
        flow = build_flow(build, {**settings, **(more or {})})
        flow.people.gone.add("gone")
        grants = [GRANT, "authorization_code", "refresh_token"]
        flow.server.program = flow.server.clients.create(
            "Partner app", redirect_uris=["https://p.example/"], grants=grants, scopes=["read", "write"]
        )
        return flow

    return build_server


def sign(key=KEY, header=None, *, alg="ES256", **changes):
    now = int(time.time())
    claims = {"iss": PARTNER, "sub": "p-anna", "aud": ISSUER, "exp": now + 300, "iat": now, "jti": secrets.token_hex(8)}
    claims = {name: value for name, value in {**claims, **changes}.items() if value is not DROP}
    return jwt.encode({"alg": alg, "kid": "one", **(header or {})}, claims, key, algorithms=["ES256", "HS256"])


def ask(flow, assertion, *, client=None, status=200, **form):
    made = client or flow.server.program
    body = {"grant_type": GRANT, "assertion": assertion, **form}
    return flow.server.app.post("/oauth/token", body, headers=flow.server.basic(made), status=status).json


def refuse(flow, assertion, caplog, reason, **how):
    with caplog.at_level(logging.INFO):
        answer = ask(flow, assertion, status=400, **how)
    assert answer == {
        "error": "invalid_grant",
        "error_description": "The assertion is invalid, expired, used, or not accepted from this client.",
    }
    assert f"an assertion was refused: {reason}" in caplog.text
    assert assertion not in caplog.text


@pytest.mark.promise("AS-15")
def test_an_assertion_gives_a_token_for_the_user_that_the_hook_names(make):
    flow = make()
    answer = ask(flow, sign())
    assert (answer["scope"], "refresh_token" in answer) == ("read write", False)
    found = flow.server.introspect(answer["access_token"])
    assert (found["active"], found["sub"], found["client_id"]) == (True, "anna", flow.server.program.client.client_id)
    assert GRANT in flow.server.app.get("/.well-known/oauth-authorization-server").json["grant_types_supported"]


@pytest.mark.slow
@pytest.mark.promise("AS-15")
@pytest.mark.parametrize("error", [KeyError("p-anna"), TypeError, HTTPForbidden, RegistrationError("a", "b"), OSError])
def test_a_hook_that_failed_was_an_answer_500(make, caplog, error):
    """The client gets OAuth's JSON, the log the traceback, and the assertion can be sent again."""

    def fail(issuer, client, claims):
        if working:
            return "anna"
        raise error

    working, assertion, flow = [], sign(), make(subject=fail)
    answer = ask(flow, assertion, status=400)
    assert answer["error"] == "server_error"
    assert "p-anna" not in str(answer)
    (record,) = [each for each in caplog.records if "assertions.partner.subject failed" in each.getMessage()]
    assert (record.levelname, record.exc_info is not None) == ("ERROR", True)
    assert assertion not in caplog.text
    working.append(True)
    assert ask(flow, assertion)["access_token"]


@pytest.mark.promise("AS-15")
@pytest.mark.parametrize("sub", ["x" * 248, "/" * 100])
def test_a_long_subject_of_another_issuer_was_an_error_of_this_server(make, caplog, sub):
    refuse(make(subject=None), sign(sub=sub), caplog, "bad_sub")
    assert not [each for each in caplog.records if each.levelno > logging.WARNING]


@pytest.mark.promise("AS-15")
def test_a_hook_may_say_that_the_users_can_not_be_asked_now(make):
    def fail(issuer, client, claims):
        raise UnavailableError("users", "the directory is away")

    answer = ask(make(subject=fail), sign(), status=503)
    assert (answer["error"], "directory" in str(answer)) == ("temporarily_unavailable", False)


@pytest.mark.promise("AS-15")
def test_without_a_trusted_issuer_there_is_no_such_grant(build):
    flow = build_flow(build)
    assert GRANT not in flow.server.app.get("/.well-known/oauth-authorization-server").json["grant_types_supported"]
    form = {"grant_type": GRANT, "assertion": sign()}
    headers = flow.server.basic(flow.web)
    answer = flow.server.app.post("/oauth/token", form, headers=headers, status=400)
    assert answer.json["error"] == "unsupported_grant_type"


HOSTILE = {
    "of an unknown issuer": ({"iss": "https://evil.example"}, {}, "unknown_issuer"),
    "of an issuer with another spelling": ({"iss": PARTNER + "/"}, {}, "unknown_issuer"),
    "without an issuer": ({"iss": DROP}, {}, "bad_iss"),
    "of our own issuer": ({"iss": ISSUER}, {}, "own_issuer"),
    "without a user": ({"sub": DROP}, {}, "bad_sub"),
    "with an empty user": ({"sub": ""}, {}, "bad_sub"),
    "with a user that is not text": ({"sub": ["p-anna"]}, {}, "bad_sub"),
    "about a user that the hook does not know": ({"sub": "p-nobody"}, {}, "refused_by_hook"),
    "for nobody": ({"aud": DROP}, {}, "wrong_audience"),
    "for another server": ({"aud": "https://other.example"}, {}, "wrong_audience"),
    "for us and another server": ({"aud": [ISSUER, "https://other.example"]}, {}, "wrong_audience"),
    "for our token endpoint": ({"aud": ISSUER + "/oauth/token"}, {}, "wrong_audience"),
    "without an end": ({"exp": DROP}, {}, "missing_exp"),
    "expired": ({"exp": 1, "iat": DROP}, {}, "expired"),
    "with an end far away": ({"exp": 9_999_999_999}, {}, "lives_too_long"),
    "with an end that is not a number": ({"exp": "soon"}, {}, "bad_time"),
    "not valid yet": ({"nbf": 9_999_999_999}, {}, "not_yet_valid"),
    "issued in the future": ({"iat": 9_999_999_999}, {}, "issued_in_future"),
    "that lives too long": ({"iat": 1_000_000_000}, {}, "lives_too_long"),
    "without an id": ({"jti": DROP}, {}, "bad_jti"),
    "with an id that is too long": ({"jti": "x" * 256}, {}, "bad_jti"),
    "that is an access token": ({}, {"typ": "at+jwt"}, "wrong_type"),
    "that is a logout token": ({}, {"typ": "logout+jwt"}, "wrong_type"),
    "that is an introspection answer": ({}, {"typ": "token-introspection+jwt"}, "wrong_type"),
    "that has events": ({"events": {}}, {}, "security_event"),
    "that is an id token": ({"nonce": "n", "at_hash": "h"}, {}, "id_token"),
    "of a user's token by its claim": ({"token_use": "id"}, {}, "wrong_token_use"),
    "for another client": ({"client_id": "somebody"}, {}, "wrong_client"),
    "that is bound to a key": ({"cnf": {"jkt": "x"}}, {}, "bound"),
    "with a scope that is not text": ({"scope": ["read"]}, {}, "bad_scope"),
}


@pytest.mark.slow
@pytest.mark.promise("AS-15")
@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_assertion_is_refused(make, caplog, what):
    changes, header, reason = HOSTILE[what]
    refuse(make(), sign(header=header, **changes), caplog, reason)


@pytest.mark.promise("AS-15")
def test_assertions_that_nobody_trusted_has_signed_are_refused(make, caplog):
    flow = make()
    good = sign()
    head, body, tail = good.split(".")
    refuse(flow, sign(OTHER), caplog, "bad_signature")
    refuse(flow, sign(header={"kid": "two"}), caplog, "unknown_key")
    refuse(flow, f"{head}.{body}.{tail[:-4]}AAAA", caplog, "bad_signature")
    refuse(flow, f"{head}.{body}.", caplog, "not_a_jwt")
    refuse(flow, f"{good}.x", caplog, "not_a_jwt")
    refuse(flow, "neither-two-nor-three-parts", caplog, "not_a_jwt")
    public = json.dumps(KEY.as_dict(private=False)).encode()
    refuse(flow, sign(OctKey.import_key(public), alg="HS256"), caplog, "bad_algorithm")
    refuse(flow, sign(OctKey.import_key(SHARED), alg="HS256"), caplog, "bad_algorithm")
    unsigned = "eyJhbGciOiJub25lIn0." + body + ".AA"
    refuse(flow, unsigned, caplog, "bad_algorithm")
    refuse(flow, sign(header={"jwk": OTHER.as_dict(private=False), "kid": "one"}, key=OTHER), caplog, "bad_signature")
    assert ask(flow, good)["access_token"], "and the good one is still good"


@pytest.mark.promise("AS-15")
def test_an_assertion_is_accepted_once(make, caplog):
    flow = make()
    assertion = sign(jti="the same")
    ask(flow, assertion)
    refuse(flow, assertion, caplog, "used before")
    refuse(flow, sign(jti="the same", sub="p-anna", exp=int(time.time()) + 200), caplog, "used before")


@pytest.mark.promise("AS-15")
def test_of_many_at_the_same_time_one_gets_a_token(make):
    flow = make()
    assertion, found = sign(), []

    def send():
        body = {"grant_type": GRANT, "assertion": assertion}
        answer = flow.server.app.post("/oauth/token", body, headers=flow.server.basic(flow.server.program), status="*")
        found.append(answer.status_int)

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [200] + [400] * 7


@pytest.mark.promise("AS-15")
def test_a_refused_request_does_not_use_up_the_assertion_and_pruning_keeps_what_is_live(make, caplog):
    flow = make()
    assertion = sign()
    assert ask(flow, assertion, scope="admin", status=400)["error"] == "invalid_scope"
    ask(flow, assertion)
    prune(flow.server.service.store, keep=0)
    refuse(flow, assertion, caplog, "used before")
    with time_machine.travel(time.time() + 3700):
        assert prune(flow.server.service.store, keep=0) >= 1


@pytest.mark.promise("AS-15")
def test_an_inactive_user_gets_nothing(make):
    flow = make()
    assert ask(flow, sign(sub="p-gone"), status=400)["error"] == "invalid_grant"
    token = ask(flow, sign())["access_token"]
    flow.people.gone.add("anna")
    assert flow.server.introspect(token) == {"active": False}


@pytest.mark.promise("AS-15")
def test_without_a_hook_the_subject_is_no_local_user(make):
    flow = make(subject=None)
    token = ask(flow, sign(sub="anna"))["access_token"]
    assert flow.server.introspect(token)["sub"] == "partner/anna"
    token = ask(flow, sign(sub="a/b%2F"))["access_token"]
    assert flow.server.introspect(token)["sub"] == "partner/a%2Fb%252F"


@pytest.mark.slow
@pytest.mark.promise("AS-15")
@pytest.mark.parametrize(
    ("table", "claims", "form", "expected"),
    [
        ({}, {}, {}, "read write"),
        ({}, {}, {"scope": "read"}, "read"),
        ({"scopes": "read"}, {}, {}, "read"),
        ({"scopes": "read"}, {}, {"scope": "write"}, None),
        ({"scopes": "any"}, {}, {}, "read write"),
        ({"scopes": "read write admin"}, {}, {"scope": "admin"}, None),
        ({}, {"scope": "write other"}, {}, "write"),
        ({}, {"scope": "write"}, {"scope": "read write"}, None),
        ({"scopes": "read"}, {"scope": "write"}, {"scope": "read"}, None),
    ],
)
def test_scopes_are_those_that_everyone_allows(make, table, claims, form, expected):
    flow = make(**table)
    answer = ask(flow, sign(**claims), status="*", **form)
    assert answer.get("scope") == expected
    assert (expected is None) == (answer.get("error") == "invalid_scope")


@pytest.mark.promise("AS-15")
def test_audiences_are_those_that_everyone_allows(make):
    apis = ["https://one.example", "https://two.example"]
    flow = make(audience=apis[0])
    made = flow.server.clients.create("Two", grants=[GRANT], scopes=["read"], audiences=apis)
    api = flow.server.clients.create("APIs", role="resource_server", audiences=apis)
    flow.server.api = api
    token = ask(flow, sign(), client=made)["access_token"]
    assert flow.server.introspect(token)["aud"] == apis[0]
    assert ask(flow, sign(), client=made, resource=apis[1], status=400)["error"] == "invalid_target"
    assert ask(flow, sign(resource=apis[1]), client=made, status=400)["error"] == "invalid_target"


@pytest.mark.promise("AS-15")
def test_the_token_lives_no_longer_than_the_settings_allow_its_issuer(make, caplog):
    flow = make(access_token_ttl="60", max_life="10m")
    assert ask(flow, sign())["expires_in"] == 60
    refuse(flow, sign(exp=int(time.time()) + 660), caplog, "lives_too_long")
    flow.server.clients.edit(flow.server.program.client.client_id, access_token_ttl=30)
    assert ask(flow, sign())["expires_in"] == 30


@pytest.mark.promise("AS-15")
def test_a_refresh_token_is_given_only_where_the_settings_say_so(make):
    flow = make(refresh_tokens="on")
    token = ask(flow, sign())["refresh_token"]
    form = {"grant_type": "refresh_token", "refresh_token": token}
    answer = flow.server.app.post("/oauth/token", form, headers=flow.server.basic(flow.server.program)).json
    assert flow.server.introspect(answer["access_token"])["sub"] == "anna"
    plain = flow.server.clients.create("Plain", grants=[GRANT], scopes=["read"])
    assert "refresh_token" not in ask(flow, sign(), client=plain)


@pytest.mark.promise("AS-15")
def test_the_client_is_always_authenticated_and_registered(make, caplog):
    flow = make()
    client_id = flow.server.program.client.client_id
    form = {"grant_type": GRANT, "assertion": sign()}
    for headers, more in (({}, {}), ({}, {"client_id": client_id}), (basic(client_id, "wrong"), {})):
        answer = flow.server.app.post("/oauth/token", {**form, **more}, headers=headers, status=401)
        assert answer.json["error"] == "invalid_client"
    assert ask(flow, sign(), client=flow.web, status=400)["error"] == "unauthorized_client"
    public = flow.server.clients.create("Public", public=True, grants=[GRANT], scopes=["read"])
    answer = flow.server.app.post("/oauth/token", {**form, "client_id": public.client.client_id}, status=401)
    assert answer.json["error"] == "invalid_client"


@pytest.mark.promise("TK-01")
def test_an_assertion_in_the_url_was_not_refused(make):
    flow = make()
    form, headers = {"grant_type": GRANT, "assertion": sign()}, flow.server.basic(flow.server.program)
    answer = flow.server.app.post(f"/oauth/token?assertion={sign()}", form, headers=headers, status=400).json
    assert answer["error_description"] == "Parameters must be in the body, not in the URL."


def test_only_listed_clients_may_present_the_assertions_of_an_issuer(make, caplog):
    flow = make(client_id="somebody-else")
    refuse(flow, sign(), caplog, "client_not_listed")


def test_an_identity_assertion_for_this_client_is_accepted(make):
    flow = make()
    client_id = flow.server.program.client.client_id
    assert ask(flow, sign(header={"typ": "oauth-id-jag+jwt"}, client_id=client_id))["access_token"]


def test_the_issuer_that_is_down_is_not_the_clients_fault(make):
    flow = make(jwks_file=None, jwks_uri="http://127.0.0.1:9/jwks")
    assert ask(flow, sign(), status=503)["error"] == "temporarily_unavailable"


@pytest.fixture
def no_proxy_of_this_machine(monkeypatch):
    for name in ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.slow
@pytest.mark.usefixtures("no_proxy_of_this_machine")
@pytest.mark.parametrize("place", ["the setting", "the environment"])
def test_keys_behind_a_proxy_were_not_fetched(make, tmp_path, monkeypatch, place):
    """The guard used the proxy, and the server did not: each assertion was answered 503 in a closed network."""
    name, pem = "login.issuer.test", write_certificate(tmp_path, name="login.issuer.test")
    with (
        HTTPIssuer(tls=pem, identifier=f"https://{name}") as site,
        TunnelProxy({name: as_origin(site.origin).port}).running() as proxy,
    ):
        table = {"http.ca_file": str(pem), "issuer": f"https://{name}", "jwks_file": None}
        if place == "the setting":
            table["http.proxy"] = proxy.url
        else:
            monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        flow = make(**table)
        assertion = site.issuer.mint(sub="p-anna", aud=ISSUER, client_id=ABSENT, header={"typ": "JWT"})
        assert ask(flow, assertion)["access_token"]
        assert set(proxy.targets) == {f"{name}:443"}


def test_keys_for_another_use_are_accepted_where_the_settings_say_so(make, keys):
    keys.write_text(json.dumps({"keys": [{**KEY.as_dict(private=False), "use": "jwt-svid"}]}))
    assert ask(make(key_uses="sig jwt-svid"), sign())["access_token"]


def test_check_names_the_hosts_that_are_asked_without_tls(make):
    flow = make(**{"http.insecure_hosts": "partner:8080"})
    found = [
        each for each in report_server(flow.server.registry) if each.subject.endswith("partner.http.insecure_hosts")
    ]
    assert [(each.level, "partner:8080 is asked without TLS" in each.text) for each in found] == [("warning", True)]


def test_keys_in_the_file_are_read_again(make, keys, caplog):
    flow = make(**{"keys.cooldown": "0"})
    ask(flow, sign())
    key = ECKey.generate_key("P-256", {"kid": "new"}, private=True)
    keys.write_text(json.dumps({"keys": [key.as_dict(private=False)]}))
    assert ask(flow, sign(key, header={"kid": "new"}))["access_token"]
    refuse(flow, sign(), caplog, "unknown_key")


# Clients that assert their own users with their own keys.


@pytest.fixture
def own(build):
    """A server that accepts such assertions, and a client with a shared key, as h has them."""
    table = {"scopes": "any", "subject": find_user, "max_life": "10m"}
    flow = build_flow(build, {f"assertions.clients.{key}": value for key, value in table.items()})
    flow.server.program = flow.server.clients.create(
        "Publisher", grants=[GRANT], scopes=["read"], assertion_subjects=["acct:*@partner.example"]
    )
    flow.server.clients.set_shared_key(flow.server.program.client.client_id, SHARED)
    return flow


def sign_own(flow, key=SHARED, **changes):
    client_id = flow.server.program.client.client_id
    claims = {"iss": client_id, "sub": "acct:berta@partner.example", **changes}
    return sign(OctKey.import_key(key), alg="HS256", **claims)


@pytest.mark.promise("AS-15")
def test_a_client_asserts_its_own_users_with_its_shared_key(own):
    answer = ask(own, sign_own(own))
    assert own.server.introspect(answer["access_token"])["sub"] == "berta"
    assert "refresh_token" not in answer


@pytest.mark.promise("AS-15")
def test_a_client_asserts_no_other_users(own, caplog):
    for subject in ("acct:berta@other.example", "berta", "acct:@partner.example", "acct:berta@partner.example.evil"):
        refuse(own, sign_own(own, sub=subject), caplog, "foreign_subject")


@pytest.mark.promise("AS-15")
def test_the_shared_key_is_that_of_the_authenticated_client(own, caplog):
    refuse(own, sign_own(own, key=b"x" * 32), caplog, "bad_signature")
    secret = own.server.program.secret.encode()
    refuse(own, sign_own(own, key=secret), caplog, "bad_signature")
    other = own.server.clients.create("Other", grants=[GRANT], scopes=["read"], assertion_subjects=["*"])
    refuse(own, sign_own(own), caplog, "unknown_issuer", client=other)
    refuse(own, sign_own(own, iss=other.client.client_id), caplog, "bad_algorithm", client=other)
    own.server.clients.set_shared_key(own.server.program.client.client_id, None)
    refuse(own, sign_own(own), caplog, "bad_algorithm")


@pytest.mark.promise("AS-15")
def test_an_assertion_of_a_client_lives_for_ten_minutes_where_the_settings_say_so(own, caplog):
    now = int(time.time())
    refuse(own, sign_own(own, exp=now + 660), caplog, "lives_too_long")
    refuse(own, sign_own(own, nbf=now - 400, iat=DROP, exp=now + 300), caplog, "lives_too_long")


@pytest.mark.promise("AS-15")
def test_a_client_with_a_key_set_signs_with_it_and_not_with_hs256(build, caplog):
    flow = build_flow(build, {"assertions.clients.scopes": "any", "assertions.clients.subject": find_user})
    made = flow.server.clients.create(
        "Signer", secret="s" * 32, jwks={"keys": [KEY.as_dict(private=False)]}, grants=[GRANT], scopes=["read"],
        assertion_subjects=["p-anna"],
    )  # fmt: skip
    flow.server.program = made
    assert ask(flow, sign(iss=made.client.client_id))["access_token"]
    refuse(flow, sign(OTHER, iss=made.client.client_id), caplog, "bad_signature")
    refuse(flow, sign_own(flow, sub="p-anna"), caplog, "bad_algorithm")


@pytest.mark.parametrize(
    ("table", "reason"),
    [({"client_id": "somebody-else"}, "client_not_listed"), ({"algorithms": "RS256"}, "bad_algorithm")],
)
def test_the_list_of_clients_and_the_algorithms_had_no_effect_in_the_table_of_clients(build, caplog, table, reason):
    table = {"scopes": "any", "subject": find_user, **table}
    flow = build_flow(build, {f"assertions.clients.{key}": value for key, value in table.items()})
    jwks = {"keys": [KEY.as_dict(private=False)]}
    made = flow.server.clients.create(
        "Signer", jwks=jwks, grants=[GRANT], scopes=["read"], assertion_subjects=["p-anna"]
    )
    kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    proof = {
        "client_assertion_type": kind,
        "client_assertion": sign(iss=made.client.client_id, sub=made.client.client_id),
    }
    form = {"grant_type": GRANT, "assertion": sign(iss=made.client.client_id), **proof}
    with caplog.at_level(logging.INFO):
        answer = flow.server.app.post("/oauth/token", form, status=400)
    assert answer.json["error"] == "invalid_grant"
    assert f"an assertion was refused: {reason}" in caplog.text


@pytest.mark.promise("AS-15")
def test_a_shared_key_is_encrypted_at_rest_and_long_enough(own):
    client_id = own.server.program.client.client_id
    data = own.server.file.read_bytes()
    assert SHARED not in data
    assert SHARED.decode() not in repr(own.server.clients.find(client_id))
    for key in (b"", SHARED[:-1], b"x" * 1025):
        with pytest.raises(RegistrationError, match="shared_key: must be 32 to 1024 bytes"):
            own.server.clients.set_shared_key(client_id, key)
    with pytest.raises(RegistrationError, match="confidential client"):
        own.server.clients.set_shared_key(own.native.client.client_id, SHARED)


def test_what_a_client_may_assert_is_checked(own):
    clients, client_id = own.server.clients, own.server.program.client.client_id
    with pytest.raises(RegistrationError, match="assertion_subjects: must have at most one"):
        clients.edit(client_id, assertion_subjects=["*a*"])
    with pytest.raises(RegistrationError, match="assertion_subjects: a public client"):
        clients.edit(own.native.client.client_id, assertion_subjects=["a"])
    with pytest.raises(RegistrationError, match="jwks_uri: is for a confidential client"):
        clients.edit(own.native.client.client_id, jwks_uri="https://a.example/jwks")


# Keys at a jwks_uri.


@pytest.mark.slow
@pytest.mark.promise("AS-15")
def test_a_client_signs_with_the_keys_at_its_jwks_uri(build, caplog):
    """For assertions about its users, and to authenticate itself."""
    served = {"keys": [KEY.as_dict(private=False)]}
    with serve(lambda: served) as uri:
        flow = build_flow(build, {"assertions.clients.scopes": "any", "assertions.clients.subject": find_user})
        made = flow.server.clients.create(
            "Signer", jwks_uri=uri, grants=[GRANT, "client_credentials"], scopes=["read"], assertion_subjects=["p-anna"]
        )
        assert made.secret is None
        client_id = made.client.client_id

        def prove(key=KEY):
            kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
            return {"client_assertion_type": kind, "client_assertion": sign(key, iss=client_id, sub=client_id)}

        def send(status=200, **form):
            return flow.server.app.post("/oauth/token", form, status=status).json

        assert send(grant_type="client_credentials", **prove())["access_token"]
        assert send(401, grant_type="client_credentials", **prove(OTHER))["error"] == "invalid_client"
        answer = send(grant_type=GRANT, assertion=sign(iss=client_id), **prove())
        assert flow.server.introspect(answer["access_token"])["sub"] == "anna"
        answer = send(400, grant_type=GRANT, assertion=sign(OTHER, iss=client_id), **prove())
        assert answer["error"] == "invalid_grant"


@pytest.mark.slow
@pytest.mark.usefixtures("no_proxy_of_this_machine")
def test_keys_of_a_client_behind_a_proxy_were_not_fetched(build, tmp_path, monkeypatch):
    name, pem = "app.client.test", write_certificate(tmp_path, name="app.client.test")
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    with (
        HTTPIssuer(tls=pem, identifier=f"https://{name}") as site,
        TunnelProxy({name: as_origin(site.origin).port}).running() as proxy,
    ):
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        flow = build_flow(build, {"assertions.clients.scopes": "any", "assertions.clients.subject": find_user})
        uri = f"https://{name}/jwks"
        made = flow.server.clients.create("Signer", jwks_uri=uri, grants=["client_credentials"], scopes=["read"])
        own = {"iss": made.client.client_id, "sub": made.client.client_id}
        proof = site.issuer.mint(own, aud=ISSUER, client_id=ABSENT, header={"typ": "JWT"})
        kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        form = {"grant_type": "client_credentials", "client_assertion_type": kind, "client_assertion": proof}
        assert flow.server.app.post("/oauth/token", form).json["access_token"]
        assert proxy.targets == [f"{name}:443"]


@pytest.mark.usefixtures("no_proxy_of_this_machine")
def test_a_proxy_of_the_environment_that_is_for_other_programs_stops_nothing(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "socks5://proxy.example:1080")
    assert find_environment_proxy() is None


@contextmanager
def serve(find):
    """The URL of a server that answers with JSON."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps(find()).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/jwks"
    finally:
        server.shutdown()
        server.server_close()


# Revocation, as WSO2 documents it.


@pytest.mark.promise("RV-41")
def test_a_token_of_this_grant_is_revoked_by_the_client_id_alone(make):
    flow = make()
    client_id = flow.server.program.client.client_id
    token = ask(flow, sign())["access_token"]
    other = flow.native.client.client_id
    answer = flow.server.app.post("/oauth/revoke", {"token": token, "client_id": other}, status=400)
    assert answer.json["error"] == "invalid_grant"
    assert flow.server.introspect(token)["active"]
    flow.server.app.post("/oauth/revoke", {"token": token, "client_id": client_id})
    assert flow.server.introspect(token) == {"active": False}


@pytest.mark.promise("RV-41")
def test_other_tokens_of_a_confidential_client_need_its_authentication(make):
    flow = make()
    answer = flow.redeem(flow.allow())
    for token in (answer["access_token"], answer["refresh_token"], "unknown"):
        form = {"token": token, "client_id": flow.web.client.client_id}
        refused = flow.server.app.post("/oauth/revoke", form, status=401)
        assert refused.json["error"] == "invalid_client"
    assert flow.server.introspect(answer["access_token"])["active"]
    token = ask(flow, sign())["access_token"]
    headers = basic(flow.server.program.client.client_id, "wrong")
    flow.server.app.post("/oauth/revoke", {"token": token}, headers=headers, status=401)
    assert flow.server.introspect(token)["active"]


# Settings.


def parse(**table):
    needed = {"issuer": ISSUER, "audience": "https://api.example", "scopes": "read"}
    values = {**needed, **{f"assertions.{key}": value for key, value in table.items()}}
    return parse_settings({f"oauthguard.server.{k}": v for k, v in values.items()}, known_grants=frozenset())


@pytest.mark.parametrize(
    ("table", "key", "problem"),
    [
        ({"a.scopes": "read"}, "a.issuer", "is required"),
        ({"a.issuer": PARTNER}, "a.scopes", "is required"),
        ({"a.issuer": PARTNER, "a.scopes": "admin"}, "a.scopes", "is not in the scopes"),
        ({"a.issuer": ISSUER, "a.scopes": "read"}, "a.issuer", "this server's own issuer"),
        ({"a.issuer": PARTNER, "a.scopes": "any", "b.issuer": PARTNER, "b.scopes": "any"}, "a.issuer", "another name"),
        ({"a.issuer": "partner", "a.scopes": "read"}, "a.issuer", "must begin with https"),
        (
            {"a.issuer": "http://partner:8080", "a.scopes": "read"},
            "a.issuer",
            "list partner in .*a.http.insecure_hosts",
        ),
        ({"a.issuer": "https://{tid}.example", "a.scopes": "read"}, "a.issuer", "without a placeholder"),
        ({"a.issuer": PARTNER, "a.scopes": "read", "a.jwks_file": "/nowhere"}, "a.jwks_file", "names a file that"),
        (
            {"a.issuer": PARTNER, "a.scopes": "read", "a.http.ca_file": "/nowhere"},
            "a.http.ca_file",
            "not a readable PEM",
        ),
        ({"a.issuer": PARTNER, "a.scopes": "read", "a.http.max_bytes": "0"}, "a.http.max_bytes", "more than 0"),
        (
            {"a.issuer": PARTNER, "a.scopes": "read", "a.http.proxy": "socks5://p:1"},
            "a.http.proxy",
            "only such proxies",
        ),
        ({"a.issuer": PARTNER, "a.scopes": "read", "a.subjekt": "x"}, "a.subjekt", "did you mean"),
        ({"a.issuer": PARTNER, "a.scopes": "read", "a.subject": "no.such.module"}, "a.subject", "can't be imported"),
        ({"a.issuer": PARTNER, "a.scopes": "read", "a.algorithms": "HS256"}, "a.algorithms", "'HS256' is not one of"),
        ({"a.issuer": PARTNER, "a.scopes": "read", "a.max_life": "2h"}, "a.max_life", "1 second to 1 hour"),
        ({"clients.issuer": PARTNER, "clients.scopes": "any"}, "clients.issuer", "keys of their registration"),
        ({"clients.http.timeout": "3", "clients.scopes": "any"}, "clients.http.timeout", "keys of their registration"),
        ({"clients.key_uses": "sig", "clients.scopes": "any"}, "clients.key_uses", "keys of their registration"),
        ({"a b.issuer": PARTNER}, "a b", "must be a name"),
    ],
)
def test_a_wrong_table_is_named(table, key, problem):
    with pytest.raises(SettingError, match=problem) as caught:
        parse(**table)
    assert caught.value.key == f"oauthguard.server.assertions.{key}"


@pytest.mark.usefixtures("no_proxy_of_this_machine")
def test_an_issuer_of_assertions_in_a_closed_network():
    table = {"a.issuer": "http://partner:8080", "a.scopes": "read", "a.http.insecure_hosts": "partner"}
    (found,) = parse(**table, **{"a.http.headers": "X-Api-Key: s3cret"}).assertions
    assert (found.http_insecure_hosts, found.http_headers) == ({"partner"}, {"X-Api-Key": "s3cret"})
    assert "s3cret" not in repr(found)
