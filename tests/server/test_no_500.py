"""Whatever a request holds, no endpoint answers 500."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pyramid.exceptions import URLDecodeError
from pyramid.response import Response

from pyramid_oauthguard.server.service import find_service
from tests.server.conftest import ISSUER
from tests.server.flows import build_flow

pytestmark = pytest.mark.slow

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def flow(build):
    return build_flow(build)


@pytest.fixture
def server(flow):
    return flow.server


NAMES = st.sampled_from(
    [
        "grant_type", "client_id", "client_secret", "scope", "token", "token_type_hint", "resource", "code",
        "redirect_uri", "refresh_token", "client_assertion", "client_assertion_type", "x",
    ]
)  # fmt: skip
VALUES = st.one_of(
    st.sampled_from(["client_credentials", "authorization_code", "refresh_token", "read", "access_token", ""]),
    st.text(max_size=30),
    st.binary(max_size=30),
)


def encode(pairs):
    raw = (
        (name, value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")) for name, value in pairs
    )
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in raw).encode()


BODIES = st.one_of(st.lists(st.tuples(NAMES, VALUES), max_size=6).map(encode), st.binary(max_size=200))
HEADERS = st.one_of(
    st.none(),
    st.just("known"),
    st.binary(max_size=60).map(lambda raw: b"Basic " + base64.b64encode(raw)),
    st.binary(max_size=60).map(lambda raw: b"Basic " + raw),
    st.binary(max_size=60),
)
TYPES = st.sampled_from(
    [FORM, FORM + ";charset=utf-16", FORM + "; charset=nonsense", "", ";", "application/json", "\xff"]
)
QUERIES = st.one_of(st.just(b""), st.binary(max_size=40), st.lists(st.tuples(NAMES, VALUES), max_size=2).map(encode))


@pytest.mark.promise("TK-02", "AS-41")
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    endpoint=st.sampled_from(["token", "revoke", "introspect", "jwks"]),
    method=st.sampled_from(["POST", "POST", "POST", "GET", "HEAD", "PUT", "OPTIONS"]),
    body=BODIES,
    header=HEADERS,
    kind=TYPES,
    query=QUERIES,
    length=st.sampled_from([None, None, None, "", "0", "5", "abc", "-1"]),
)
@example("token", "POST", b"grant_type=client_credentials&scope=%22", "known", FORM, b"", None)
@example("token", "POST", b"grant_type=%22%C3%A9", "known", FORM, b"", None)
@example("revoke", "POST", b"token=%ED%B0%80", "known", FORM, b"", None)
@example("token", "POST", b"grant_type=a", "known", FORM, b"", "5000")
def test_no_request_makes_a_500(server, endpoint, method, body, header, kind, query, length):
    environ = {
        "REQUEST_METHOD": method,
        "QUERY_STRING": query.decode("latin-1"),
        "CONTENT_TYPE": kind,
    }
    if header == "known":
        caller = server.api if endpoint == "introspect" else server.program
        environ["HTTP_AUTHORIZATION"] = server.basic(caller)["Authorization"]
    elif header is not None:
        environ["HTTP_AUTHORIZATION"] = header.decode("latin-1")
    request = server.app.RequestClass.blank(f"/oauth/{endpoint}", body=body, method=method)
    request.environ.update(environ)
    if length is not None:
        request.environ["CONTENT_LENGTH"] = length
    response = request.get_response(server.app.app)
    assert response.status_int in {200, 400, 401, 405, 413}
    assert response.status_int == 200 or method == "HEAD" or response.json["error"]
    for value in response.headers.values():
        assert "\n" not in value
        assert "\r" not in value


HERE = "http://localhost"
AUTHORIZE_NAMES = st.sampled_from(
    [
        "response_type", "client_id", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method",
        "resource", "response_mode", "ticket", "decision", "scope.read", "withdrawn", "_LOCALE_", "x",
    ]
)  # fmt: skip


@pytest.mark.promise("AS-02", "AS-41")
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.sampled_from(["authorize", "authorize", "applications"]),
    method=st.sampled_from(["GET", "GET", "POST", "HEAD", "PUT"]),
    good=st.booleans(),
    changes=st.lists(st.tuples(AUTHORIZE_NAMES, VALUES), max_size=4),
    body=BODIES,
    kind=st.one_of(TYPES, st.just("multipart/form-data; boundary=x"), st.just("multipart/form-data")),
    length=st.sampled_from([None, None, None, "", "0", "5", "abc", "-1", "70000"]),
    user=st.sampled_from(["anna", "berta", None]),
)
@example("authorize", "GET", True, [("state", b"\xff")], b"", FORM, None, "anna")
@example("authorize", "GET", False, [("x", b"\xff")], b"", FORM, None, None)
@example("authorize", "POST", False, [], b"ticket=x", FORM, "5000", "anna")
@example("authorize", "POST", False, [], b"x", "multipart/form-data", None, "anna")
def test_no_request_of_a_browser_makes_a_500(flow, path, method, good, changes, body, kind, length, user):
    pairs = [*(flow.ask().items() if good else ()), *changes]
    request = flow.server.app.RequestClass.blank(f"/oauth/{path}", body=body, method=method)
    request.environ.update({"QUERY_STRING": encode(pairs).decode(), "CONTENT_TYPE": kind})
    if user:
        request.environ["HTTP_COOKIE"] = f"user={user}"
    if length is not None:
        request.environ["CONTENT_LENGTH"] = length
    response = request.get_response(flow.server.app.app)
    assert response.status_int in {200, 303, 400, 405, 413, 422}
    if response.status_int == 303:
        location = response.headers["Location"]
        assert location.startswith(("https://web.example/callback?tenant=1&", f"{HERE}/sign-in?", f"{HERE}/oauth/"))
        assert location.isascii()
        assert location.isprintable()
        assert " " not in location


USER_NAMES = st.sampled_from(
    [
        "refresh_token", "device_code", "user_code", "scope", "resource", "client_id", "client_secret", "decision", "ticket",
        "client_assertion", "client_assertion_type", "scope.read", "done", "x",
    ]
)  # fmt: skip
USER_GRANTS = st.sampled_from(
    ["refresh_token", "authorization_code", "urn:ietf:params:oauth:grant-type:device_code", "client_credentials"]
)
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SEGMENTS = st.one_of(
    st.binary(max_size=30),
    st.dictionaries(
        st.sampled_from(["alg", "kid", "typ", "crit", "b64", "iss", "sub", "aud", "exp", "jti"]),
        st.one_of(
            st.text(max_size=8), st.integers(), st.floats(), st.none(), st.lists(st.text(max_size=3), max_size=2)
        ),
    ).map(lambda value: json.dumps(value).encode()),
).map(lambda raw: base64.urlsafe_b64encode(raw).rstrip(b"="))


@pytest.mark.promise("TK-01", "TK-02", "TK-08")
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.sampled_from(["token", "token", "device_authorization", "device"]),
    method=st.sampled_from(["POST", "POST", "POST", "GET", "PUT"]),
    grant=USER_GRANTS,
    fields=st.lists(st.tuples(USER_NAMES, VALUES), max_size=5),
    assertion=st.none() | st.lists(SEGMENTS, min_size=1, max_size=4).map(b".".join),
    known=st.booleans(),
    query=QUERIES,
)
@example("token", "POST", "refresh_token", [], b"eyJhbGciOjF9.e30.AA", False, b"")
@example("token", "POST", "refresh_token", [("refresh_token", "\ud800")], None, True, b"")
@example("device", "GET", "", [], None, False, b"user_code=%ff")
@example("device", "POST", "", [("ticket", "\x00"), ("decision", "allow")], None, False, b"")
def test_no_request_for_a_users_tokens_makes_a_500(flow, path, method, grant, fields, assertion, known, query):
    pairs = [("grant_type", grant), *fields]
    if assertion is not None:
        pairs += [("client_assertion_type", ASSERTION), ("client_assertion", assertion)]
    request = flow.server.app.RequestClass.blank(f"/oauth/{path}", body=encode(pairs), method=method)
    request.environ.update({"QUERY_STRING": query.decode("latin-1"), "CONTENT_TYPE": FORM, "HTTP_COOKIE": "user=anna"})
    if known:
        request.environ["HTTP_AUTHORIZATION"] = flow.server.basic(flow.web)["Authorization"]
    response = request.get_response(flow.server.app.app)
    assert response.status_int in {200, 400, 401, 405, 422, 429}
    assert response.status_int != 200 or path == "device" or method != "POST" or known


@pytest.mark.parametrize("path", ["/%ff", "/oauth/%ff", "/oauth/token/%c3%28", "/.well-known/%ed%a0%80"])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_an_address_that_is_no_utf_8_is_400(server, path, method):
    answer = server.app.RequestClass.blank(path, method=method).get_response(server.app.app)
    assert answer.status_int == 400
    assert answer.json["error"] == "invalid_request"


def test_a_limit_that_nobody_catches_is_429(build):
    def sign_in(request):
        find_service(request).limits.hit(request, "sign_in", "anna")
        return Response("tried")

    def configure(config):
        config.add_route("try", "/try")
        config.add_view(sign_in, route_name="try")

    app = build({"limits": "on", "limits.sign_in": "1/1m"}, configure=configure).app
    assert app.get("/try").text == "tried"
    answer = app.get("/try", status=429)
    assert 0 < int(answer.headers["Retry-After"]) <= 60
    assert answer.json["error"] == "temporarily_unavailable"


def test_an_applications_own_view_for_such_addresses_stays(build):
    def own(error, request):
        return Response("own", status=404)

    for number, context in enumerate((URLDecodeError, Exception)):
        app = build(configure=lambda config, c=context: config.add_exception_view(own, context=c), name=str(number)).app
        assert app.get("/%ff", status=404).text == "own"


def test_with_a_guard_such_addresses_are_answered_once(build):
    def configure(config):
        config.add_settings({"oauthguard.issuer": ISSUER, "oauthguard.audience": "https://api.example"})
        config.include("pyramid_oauthguard")

    build(configure=configure).app.get("/%ff", status=400)
