"""No byte sequence in a request makes a 500: over WSGI and through a real server."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyramid.exceptions import URLDecodeError
from pyramid.request import Request
from pyramid.response import Response

from pyramid_oauthguard.testing import MemoryIssuer
from pyramid_oauthguard.testing.tokens import sign
from tests.guard.guarding import BARE, MALFORMED, add, answer, ask, build_app, find_status
from tests.guard.serving import serve

ISSUER = MemoryIssuer()
EXPECTED = {200, 204, 400, 401, 403, 404, 503}
SOME = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def configure(config):
    add(config, "/local", token_check="local", permission="read")
    add(config, "/remote", token_check="remote", token_require="read")
    add(config, "/requiring", token_require={"any_scope": "a b", "client": "c", "acr": "d", "max_age": 5})
    add(config, "/post", answer("posted"), renderer=None, token_check="local", request_method="POST")
    add(config, "/open", answer("open"), renderer=None)
    config.add_view(lambda context, request: Response("resource"), context=dict, token_check="local")


APP = build_app(
    configure,
    ISSUER,
    settings={"oauthguard.role_claim": "realm_access.roles", "oauthguard.cache.inactive.expiration_time": "0"},
    root_factory=None,
)
PATHS = ("/local", "/remote", "/requiring", "/post", "/open", "/nowhere", "/")

# ── strategies ───────────────────────────────────────────────────────────────────────────────────────────────────

latin = st.text(st.characters(max_codepoint=255), max_size=60)
ascii_words = st.sampled_from(
    ["Bearer", "bearer", "BEARER", "Basic", "Digest", ",", " ", "\t", "a.b.c", "=", "Bearer x", ""]
)
credentials = st.one_of(
    latin,
    st.lists(st.one_of(ascii_words, latin), max_size=6).map("".join),
    st.lists(st.one_of(ascii_words, latin), max_size=6).map(" ".join),
    latin.map(lambda text: f"Bearer {text}"),
    st.text("abcXYZ019-_.=+/~", max_size=80).map(lambda text: f"Bearer {text}"),
)
numbers = st.one_of(st.integers(), st.floats(), st.sampled_from([0, -1, 2**53, 2**70, 10**400, 1e308, -0.0]))
scalars = st.one_of(
    st.none(), st.booleans(), numbers, st.text(max_size=20), st.sampled_from(["read", "\ud800", "\0", "none"])
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=8,
)
NAMES = ("iss", "sub", "aud", "exp", "nbf", "iat", "jti", "scope", "scp", "client_id", "cid", "azp", "realm_access", "roles", "acr", "auth_time", "active", "username", "gty", "idtyp", "realm_access.roles")  # fmt: skip
claims = st.dictionaries(st.one_of(st.sampled_from(NAMES), st.text(max_size=8)), values, max_size=6)
HEADERS = ("alg", "kid", "typ", "crit", "b64", "enc", "zip", "jku", "jwk", "x5c", "x5u", "cty", "epk", "p2c")
headers = st.dictionaries(st.one_of(st.sampled_from(HEADERS), st.text(max_size=8)), values, max_size=4)


def request_status(path, header, method="GET", **environ):
    request = Request.blank("/", method="GET")
    request.environ.update({"PATH_INFO": path, "REQUEST_METHOD": method, **environ})
    if header is not None:
        request.environ["HTTP_AUTHORIZATION"] = header
    response = request.get_response(APP.app)
    for name, value in response.headerlist:
        assert value.isprintable(), (name, value)
    return response.status_int


# ── over WSGI ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.promise("GD-65", "GD-14", "GD-27")
@pytest.mark.parametrize("path", PATHS)
@SOME
@given(header=credentials)
def test_no_authorization_header(path, header):
    assert request_status(path, header) in EXPECTED


@pytest.mark.slow
@pytest.mark.promise("GD-14")
@SOME
@given(
    path=st.one_of(st.sampled_from(PATHS), latin, latin.map(lambda text: "/" + text)),
    method=st.one_of(st.sampled_from(["GET", "POST", "HEAD", "OPTIONS", "BREW"]), latin),
    header=st.one_of(st.none(), credentials),
    query=latin,
    body=st.binary(max_size=60),
    other=st.dictionaries(st.sampled_from(["HTTP_ORIGIN", "HTTP_ACCESS_CONTROL_REQUEST_METHOD", "HTTP_COOKIE", "HTTP_ACCEPT", "HTTP_HOST", "CONTENT_TYPE", "HTTP_X_CSRF_TOKEN", "HTTP_REFERER"]), latin, max_size=4),
)  # fmt: skip
def test_no_path_method_query_body_or_header(path, method, header, query, body, other):
    import io

    status = request_status(
        path,
        header,
        method,
        QUERY_STRING=query,
        CONTENT_LENGTH=str(len(body)),
        **{"wsgi.input": io.BytesIO(body), "SCRIPT_NAME": "", **other},
    )
    assert status in EXPECTED | {415}


@pytest.mark.slow
@pytest.mark.promise("GD-14", "GD-08", "GD-12")
@pytest.mark.parametrize("path", ["/local", "/remote", "/requiring"])
@SOME
@given(said=claims, complete=st.booleans())
def test_no_claims_that_the_issuer_itself_signed(path, said, complete):
    raw = ISSUER.mint({**(_good() if complete else {}), **said}, header={})
    assert find_any_status(path, raw) in EXPECTED


@pytest.mark.slow
@pytest.mark.promise("GD-14", "GD-04", "GD-64")
@pytest.mark.parametrize("path", ["/local", "/remote"])
@SOME
@given(header=headers)
def test_no_header_that_the_issuer_itself_signed(path, header):
    assert find_any_status(path, ISSUER.mint(_good(), header=header)) in EXPECTED


@pytest.mark.slow
@pytest.mark.promise("GD-14", "GD-64")
@pytest.mark.parametrize("path", ["/local", "/remote"])
@SOME
@given(header=st.binary(max_size=60), payload=st.binary(max_size=60))
def test_no_bytes_that_the_issuer_itself_signed(path, header, payload):
    assert find_any_status(path, sign(header, payload, ISSUER.signing_key)) in {400, 401}


@pytest.mark.slow
@pytest.mark.promise("GD-14", "GD-16")
@SOME
@given(members=claims, complete=st.booleans(), active=st.one_of(st.just(True), values))
def test_no_answer_of_the_introspection_endpoint(members, complete, active):
    raw = "opaque-token"
    ISSUER.answer(raw, {"active": active, **({"iss": ISSUER.identifier, **_good()} if complete else {}), **members})
    assert find_any_status("/remote", raw) in EXPECTED


def _good():
    return {"sub": "ada", "scope": "read a", "client_id": "c", "acr": "d", "exp": 9_999_999_999, "aud": ISSUER.audience}


def find_any_status(path, raw):
    return request_status(path, f"Bearer {raw}")


# ── through a real server ────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def server():
    with serve(APP.app) as server:
        yield server


def check_answer(got):
    assert got.status in EXPECTED | {405, 408, 411, 413, 414, 415, 431, 501, 505}, got
    if got.status == 501:  # waitress itself, of a Transfer-Encoding that it does not know
        assert b"Transfer-Encoding" in got.body


@pytest.mark.slow
@pytest.mark.promise("GD-14")
@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(header=st.binary(max_size=80).filter(lambda data: not set(data) & set(b"\r\n")))
def test_no_authorization_bytes_on_the_wire(server, header):
    check_answer(server.ask(b"/local", b"Authorization: " + header))


@pytest.mark.slow
@pytest.mark.promise("GD-14")
@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    method=st.one_of(
        st.sampled_from([b"GET", b"POST", b"OPTIONS"]), st.text("ABCxyz!#$", min_size=1, max_size=9).map(str.encode)
    ),
    path=st.binary(max_size=40).filter(lambda data: not set(data) & set(b"\r\n \t#?")).map(lambda data: b"/" + data),
    lines=st.lists(st.binary(min_size=1, max_size=30).filter(lambda data: not set(data) & set(b"\r\n")), max_size=3),
    body=st.binary(max_size=40),
)
def test_no_request_bytes_on_the_wire(server, method, path, lines, body):
    check_answer(server.ask(path, *[b"X-" + line for line in lines], method=method, body=body))


@pytest.mark.promise("GD-14")
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.binary(min_size=1, max_size=200))
def test_no_bytes_at_all(server, data):
    received = server.send(data + b"\r\n\r\n")
    assert not received.startswith((b"HTTP/1.0 500", b"HTTP/1.1 500"))


@pytest.mark.promise("GD-65")
@pytest.mark.parametrize(
    "lines",
    [
        (b"Authorization: Bearer a", b"Authorization: Bearer b"),
        (b"Authorization: Bearer a", b"authorization: Bearer a"),
        (b"Authorization: Bearer a", b"AUTHORIZATION: Basic dTpw"),
        (b"Authorization: Basic dTpw", b"Authorization: Bearer a"),
        (b"Authorization: Bearer a", b"Authorization:"),
        (b"Authorization: Bearer a, Bearer b",),
        (b"Authorization: Bearer a,Bearer b",),
        (b"Authorization: Bearer a,",),
        (b"Authorization: Bearer",),
        (b"Authorization:",),
        (b"Authorization:    ",),
        (b"Authorization: Bearer a b",),
        (b"Authorization: Bearer\ta",),
        (b"Authorization: Bearer a\tb",),
        (b"Authorization: Bearer a\x00",),
        (b"Authorization: Bearer \xff\xfe",),
        (b"Authorization: Bearer \xe2\x82\xac",),
        (b"Authorization: Bearer a=b",),
        (b"Authorization: Bearer =a",),
        (b'Authorization: Bearer "a"',),
        (b"Authorization: Bearer a;b",),
        (b"Authorization: Bearer a@b",),
    ],
    ids=lambda lines: " + ".join(map(repr, lines)),
)
def test_a_header_that_is_not_one_token_is_400(server, lines):
    got = server.ask(b"/local", *lines)
    assert got.status == 400
    if b"\x00" not in lines[0]:  # which is waitress's to refuse
        assert got.headers["www-authenticate"] == [MALFORMED]


@pytest.mark.promise("GD-65")
@pytest.mark.parametrize(
    "template",
    [
        b"Authorization: Bearer %s",
        b"authorization: bEARER %s",
        b"AUTHORIZATION:BEARER   %s  ",
        b"Authorization:\tBearer %s\t",
    ],
)
def test_one_header_with_one_token_is_read_however_it_is_spelt(server, template):
    raw = ISSUER.mint(scope="read").encode()
    assert server.ask(b"/remote", template % raw).status == 200


@pytest.mark.promise("GD-65")
def test_a_folded_header_is_refused_or_read_as_one(server):
    raw = ISSUER.mint(scope="read").encode()
    assert server.ask(b"/remote", b"Authorization: Bearer", b" " + raw).status in {200, 400}
    assert server.ask(b"/remote", b"Authorization: Bearer " + raw, b" more").status == 400


@pytest.mark.promise("GD-65")
def test_a_header_with_underscores_is_not_ours(server):
    raw = ISSUER.mint(scope="read").encode()
    for name in b"X-Authorization", b"Proxy-Authorization", b"Authorization_", b"HTTP_AUTHORIZATION", b"Authorization-":
        assert server.ask(b"/remote", name + b": Bearer " + raw).headers["www-authenticate"] == [
            f'{BARE}, scope="read"'
        ]


@pytest.mark.promise("GD-11", "GD-65")
@pytest.mark.parametrize("kind", ["one word", "a JWT", "dots", "spaces", "commas"])
def test_a_hundred_kilobytes(server, kind):
    size = 100_000
    data = {
        "one word": b"a" * size,
        "a JWT": b"a" * (size // 2) + b"." + b"b" * (size // 2) + b".c",
        "dots": b"." * size,
        "spaces": b"a" + b" " * size + b"b",
        "commas": b"a" + b", bearer" * (size // 8),
    }[kind]
    got = server.ask(b"/remote", b"Authorization: Bearer " + data)
    assert got.status == (400 if kind in ("spaces", "commas") else 401)
    assert len(got.body) < 500


@pytest.mark.slow
@pytest.mark.promise("GD-11")
def test_more_than_any_server_takes():
    """Where a server has no limit of its own."""
    for size in 300_000, 5_000_000:
        assert request_status("/remote", "Bearer " + "a" * size) == 401
        assert request_status("/local", "Bearer " + "a" * size + "." + "b" * size + ".c") == 401
    assert request_status("/local", "Basic " + ", bearer " * 500_000) == 400


# ── addresses ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.promise("GD-14")
@pytest.mark.parametrize("path", [b"/%ff", b"/local/%c3%28", b"/%ed%a0%80", b"/\xff", b"/open%c0%ae"])
def test_an_address_that_is_no_utf_8_is_400(server, path):
    got = server.ask(path)
    assert got.status == 400
    assert path.strip(b"/") not in got.body


def test_an_applications_own_view_for_such_addresses_stays():
    def own(error, request):
        return Response("own", status=404)

    app = build_app(lambda config: config.add_exception_view(own, context=URLDecodeError))
    assert Request.blank("/%ff").get_response(app.app).text == "own"
    app = build_app(lambda config: config.add_exception_view(own, context=Exception))
    assert Request.blank("/%ff").get_response(app.app).text == "own"

    def included(config):
        config.add_exception_view(own, context=URLDecodeError)

    app = build_app(lambda config: config.include(included))  # no conflict either
    assert Request.blank("/%ff").get_response(app.app).text == "own"


@pytest.mark.promise("GD-14")
def test_deep_and_wide_tokens_of_the_issuer_itself(server):
    deep = json.loads("[" * 900 + "]" * 900)
    wide = {f"claim-{number}": number for number in range(3_000)}
    app = build_app(configure, ISSUER, root_factory=None)
    for said in {"deep": deep}, wide, {"roles": list(range(10_000))}, {"scope": " ".join(map(str, range(10_000)))}:
        assert find_status(app, "/remote", ISSUER.mint({**_good(), **said, "scope": said.get("scope", "read")})) in {
            200,
            401,
            403,
        }
    very_deep = b'{"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}"
    raw = sign(b'{"alg":"RS256","kid":"%s"}' % ISSUER.signing_key.kid.encode(), very_deep, ISSUER.signing_key)
    assert ask(app, "/local", raw).status_int == 401


@pytest.mark.promise("GD-14")
@pytest.mark.parametrize("path", [*PATHS, "/nowhere/else"])
def test_a_virtual_root_that_is_not_utf_8_is_400_and_not_a_500(path):
    assert request_status(path, f"Bearer {ISSUER.mint(scope='read')}", HTTP_X_VHM_ROOT="/\xff") in EXPECTED
    assert request_status("/nowhere/else", None, HTTP_X_VHM_ROOT="/\xff") == 400


@pytest.mark.promise("GD-14")
def test_a_view_s_own_undecodable_text_is_not_taken_for_the_caller_s():
    def broken(request):
        return Response(b"\xff".decode("utf-8"))

    app = build_app(lambda config: add(config, "/broken", broken, renderer=None), ISSUER)
    assert app.get("/broken", headers={"X-Vhm-Root": "/\xfe"}, status="*").status_int == 400
    with pytest.raises(UnicodeDecodeError):
        app.get("/broken", headers={"X-Vhm-Root": "/"}, status="*")
    with pytest.raises(UnicodeDecodeError):
        app.get("/broken", status="*")
