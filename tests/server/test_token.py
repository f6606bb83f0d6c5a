"""POST /oauth/token: client credentials, and the JWT or opaque token that comes of it."""

from __future__ import annotations

import time
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from joserfc.jws import extract_compact
from pyramid.exceptions import ConfigurationExecutionError

from pyramid_oauthguard.server.opaque import has_checksum

GRANT = {"grant_type": "client_credentials"}


def ask(server: Any, form: dict[str, str], **how: Any) -> Any:
    return server.app.post("/oauth/token", form, **{"headers": server.basic(server.program), "status": "*", **how})


@pytest.mark.slow
def test_a_token_answer_is_rfc_6749s(server):
    answer = ask(server, GRANT)
    assert answer.status_int == 200
    assert answer.content_type == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Pragma"] == "no-cache"
    assert answer.json.keys() == {"access_token", "token_type", "expires_in", "scope"}
    assert answer.json["token_type"] == "Bearer"
    assert answer.json["expires_in"] == 600


@pytest.mark.slow
@pytest.mark.promise("TK-06")
def test_an_access_token_is_an_rfc_9068_jwt_for_one_audience(build):
    server = build({"signing.algorithm": ""})  # the default
    before = int(time.time())
    token = server.token()
    keys = KeySet.import_key_set(server.app.get("/oauth/jwks").json)
    claims = jwt.decode(token, keys, algorithms=["RS256"]).claims
    header = extract_compact(token.encode()).headers()
    assert header["typ"] == "at+jwt"
    assert header["kid"] == keys.keys[0].kid
    assert claims.keys() == {"iss", "sub", "aud", "client_id", "exp", "iat", "jti", "scope"}
    assert claims["iss"] == "http://localhost:6543"
    assert claims["aud"] == "https://api.example"
    assert claims["sub"] == claims["client_id"] == server.program.client.client_id
    assert before <= claims["iat"] <= time.time()
    assert claims["exp"] == claims["iat"] + 600
    assert claims["scope"] == "read"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")  # of joserfc's decoder here, not of the server
@pytest.mark.parametrize(("algorithm", "kty"), [("RS256", "RSA"), ("ES256", "EC"), ("EdDSA", "OKP")])
def test_each_algorithm_signs(build, algorithm, kty):
    server = build({"signing.algorithm": algorithm})
    document = server.app.get("/oauth/jwks").json
    assert [key["kty"] for key in document["keys"]] == [kty]
    assert not {"d", "p", "q"} & document["keys"][0].keys()
    assert jwt.decode(server.token(), KeySet.import_key_set(document), algorithms=[algorithm]).claims["jti"]


def test_an_opaque_token_has_our_prefix_and_a_checksum(build):
    server = build({"access_token_format": "opaque"})
    token = server.token()
    assert token.startswith("ogat_")
    assert has_checksum(token)
    assert not has_checksum(token[:-1] + ("0" if token[-1] != "0" else "1"))
    assert server.introspect(token)["jti"] == token[5:27]


@pytest.mark.promise("TK-06")
def test_scope_omitted_gives_the_defaults_and_the_answer_says_so(server):
    assert ask(server, GRANT).json["scope"] == "read"
    assert ask(server, {**GRANT, "scope": ""}).json["scope"] == "read"
    assert ask(server, {**GRANT, "scope": "write read write"}).json["scope"] == "write read"


@pytest.mark.promise("TK-06")
def test_without_defaults_a_request_without_scope_is_refused(build):
    answer = ask(build({"default_scopes": ""}), GRANT)
    assert (answer.status_int, answer.json["error"]) == (400, "invalid_scope")
    assert "scope" in answer.json["error_description"]


@pytest.mark.parametrize("scope", ["admin", "unknown", "read\twrite", 'a"b', "re\\ad"])
@pytest.mark.promise("TK-07")
def test_a_scope_that_the_client_may_not_have_is_refused_not_dropped(server, scope):
    answer = ask(server, {**GRANT, "scope": f"{scope}"})
    assert answer.status_int == 400
    assert answer.json["error"] in {"invalid_scope", "invalid_request"}
    assert "access_token" not in answer.json


@pytest.mark.slow
def test_a_scope_taken_out_of_the_settings_is_no_longer_granted(build):
    server = build()
    again = build({"scopes": "read = Read"})
    answer = again.app.post(
        "/oauth/token", {**GRANT, "scope": "write"}, headers=server.basic(server.program), status=400
    )
    assert answer.json["error"] == "invalid_scope"


@pytest.mark.slow
@pytest.mark.promise("TK-06")
def test_resource_selects_among_the_clients_audiences(server):
    client = server.clients.create(
        "Two", grants=["client_credentials"], scopes=["read"], audiences=["https://a.example", "https://b.example"]
    )
    headers = server.basic(client)

    def audience(*resources: str) -> Any:
        form = [*GRANT.items(), *(("resource", each) for each in resources)]
        answer = server.app.post("/oauth/token", form, headers=headers, status="*")
        if answer.status_int != 200:
            return answer.json["error"]
        keys = KeySet.import_key_set(server.app.get("/oauth/jwks").json)
        return jwt.decode(answer.json["access_token"], keys).claims["aud"]

    assert audience() == ["https://a.example", "https://b.example"]
    assert audience("https://b.example") == "https://b.example"
    assert audience("https://b.example", "https://a.example") == ["https://b.example", "https://a.example"]
    assert audience("https://c.example") == "invalid_target"
    assert audience("https://a.example", "https://api.example") == "invalid_target"


def test_without_an_audience_there_is_no_server(build):
    with pytest.raises(ConfigurationExecutionError, match=r"oauthguard\.server\.audience: is required"):
        build({"audience": ""})


@pytest.mark.slow
@pytest.mark.promise("AS-08")
@pytest.mark.parametrize("grant", ["password", "implicit", "urn:ietf:params:oauth:grant-type:jwt-bearer", "x"])
def test_implicit_and_password_do_not_exist(server, grant):
    form = {"grant_type": grant, "username": "demo", "password": "demo"}
    answer = ask(server, form)
    assert (answer.status_int, answer.json["error"]) == (400, "unsupported_grant_type")
    assert grant not in answer.text
    assert "token" not in server.app.get("/.well-known/oauth-authorization-server").json["response_types_supported"]


def test_grant_type_missing_is_named(server):
    answer = ask(server, {"scope": "read"})
    assert (answer.status_int, answer.json["error"]) == (400, "invalid_request")
    assert "grant_type" in answer.json["error_description"]


@pytest.mark.promise("TK-07")
def test_client_credentials_are_not_for_public_clients_nor_for_those_not_registered_for_them(server):
    public = {**GRANT, "client_id": server.public.client.client_id}
    assert server.app.post("/oauth/token", public, status=401).json["error"] == "invalid_client"
    other = server.clients.create("Other", redirect_uris=["https://o.example/"], grants=["authorization_code"])
    answer = ask(server, GRANT, headers=server.basic(other))
    assert (answer.status_int, answer.json["error"]) == (400, "unauthorized_client")


@pytest.mark.slow
@pytest.mark.promise("TK-01")
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("endpoint", ["token", "revoke", "introspect"])
def test_post_only(server, method, endpoint):
    answer = server.app.request(f"/oauth/{endpoint}", method=method, status=405)
    assert answer.headers["Allow"] == "POST"
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.slow
@pytest.mark.promise("TK-01", "AS-41")
@pytest.mark.parametrize(
    "query", ["client_id=x", "client_secret=x", "grant_type=client_credentials", "token=x", "scope=read", "code="]
)
@pytest.mark.parametrize("endpoint", ["token", "revoke", "introspect"])
def test_parameters_in_the_query_are_refused(server, endpoint, query):
    headers = server.basic(server.program)
    answer = server.app.post(f"/oauth/{endpoint}?{query}", {**GRANT, "token": "x"}, headers=headers, status=400)
    assert answer.json["error"] == "invalid_request"


def test_a_query_of_somebody_elses_is_left_alone(server):
    assert server.app.post("/oauth/token?tenant=1", GRANT, headers=server.basic(server.program)).status_int == 200


@pytest.mark.promise("AS-41")
@pytest.mark.parametrize(
    "name",
    ["grant_type", "scope", "client_id", "client_secret", "code", "redirect_uri", "state", "token", "response_mode"],
)
def test_a_repeated_parameter_is_refused(server, name):
    form = [*GRANT.items(), (name, "client_credentials"), (name, "client_credentials")]
    answer = ask(server, form)
    assert (answer.status_int, answer.json["error"]) == (400, "invalid_request")


@pytest.mark.slow
@pytest.mark.promise("AS-41")
def test_a_parameter_repeated_without_a_value_is_repeated_all_the_same(server):
    answer = ask(server, [*GRANT.items(), ("scope", "read"), ("scope", "")])
    assert answer.json["error"] == "invalid_request"


@pytest.mark.slow
@pytest.mark.promise("AS-41")
def test_parameters_nobody_knows_are_ignored(server):
    assert ask(server, {**GRANT, "colour": "grün"}).status_int == 200
    for colours in ("xx", "xy", "xyz"):
        answer = ask(server, [*(("colour", colour) for colour in colours), *GRANT.items()])
        assert answer.status_int == 200
        assert answer.json["scope"] == "read"


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind",
    [
        "Application/X-WWW-Form-Urlencoded",
        "APPLICATION/X-WWW-FORM-URLENCODED; charset=UTF-8",
        "application/x-www-form-urlencoded ; Charset=utf-8",
        "application/X-www-form-urlencoded;",
    ],
)
@pytest.mark.parametrize("path", ["token", "revoke", "introspect"])
def test_the_media_type_is_compared_without_regard_to_case(server, kind, path):
    token = server.token()
    headers = {**server.basic(server.api if path == "introspect" else server.program), "Content-Type": kind}
    body = f"grant_type=client_credentials&token={token}"
    assert server.app.post(f"/oauth/{path}", body, headers=headers).status_int == 200


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "multipart/form-data; boundary=x"])
def test_another_content_type_is_refused(server, kind):
    answer = ask(
        server, "grant_type=client_credentials", headers={**server.basic(server.program), "Content-Type": kind}
    )
    assert (answer.status_int, answer.json["error"]) == (400, "invalid_request")


def test_a_body_over_the_limit_is_refused_unread(server):
    answer = ask(server, {**GRANT, "scope": "x" * 70_000})
    assert (answer.status_int, answer.json["error"]) == (413, "invalid_request")


@pytest.mark.slow
@pytest.mark.parametrize(
    "body", [b"grant_type=%ff", b"grant_type=\xff", b"scope=%ed%a0%80", b"scope=%00", b"a=1&" * 101]
)
def test_a_body_that_is_no_form_is_refused(server, body):
    answer = server.app.post(
        "/oauth/token",
        body,
        headers=server.basic(server.program),
        content_type="application/x-www-form-urlencoded",
        status=400,
    )
    assert answer.json["error"] == "invalid_request"
