"""What a caller is told: status, challenge, problem document, and what caches may keep (RFC 6750, 9110, 9457)."""

from __future__ import annotations

import json
import re

import pytest
from pyramid.authorization import Allow
from pyramid.httpexceptions import HTTPConflict, HTTPForbidden, HTTPFound, HTTPMovedPermanently, HTTPNotFound
from pyramid.request import Request
from pyramid.response import Response

from pyramid_oauthguard import InsufficientScope, UnavailableError
from pyramid_oauthguard.guard import csrf_callback
from pyramid_oauthguard.testing import MemoryIssuer, bearer
from tests.guard.guarding import (
    BARE,
    INSUFFICIENT,
    INVALID,
    MALFORMED,
    add,
    answer,
    ask,
    build_app,
    find_status,
    read_problem,
    tell,
)


@pytest.fixture
def issuer():
    return MemoryIssuer()


def add_views(config):
    add(config, "/local", token_check="local")
    add(config, "/remote", token_check="remote")
    add(config, "/scoped", token_require="read write")
    add(config, "/permitted", permission="read")
    add(config, "/open")


GUARDED = ("/local", "/remote", "/scoped", "/permitted")
#: What a 401 says that a token needs here, by `token_require` or by the ACL.
NEEDED = {"/local": "", "/remote": "", "/scoped": ', scope="read write"', "/permitted": ', scope="read write"'}


@pytest.fixture
def app(issuer):
    return build_app(add_views, issuer)


def check_refusal(response, status, challenge):
    assert response.status_int == status
    assert response.headers.getall("WWW-Authenticate") == [challenge]
    assert response.headers.getall("Vary") == ["Authorization"]
    assert response.headers.getall("Cache-Control") == ["no-store"]
    problem = read_problem(response)
    assert problem["type"] == "about:blank"
    assert problem["title"]
    assert problem["detail"]
    code = re.search(r'error="(\w+)"', challenge)
    assert problem.get("error") == (code[1] if code else None)


# ── the table of answers ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.parametrize("path", GUARDED)
@pytest.mark.parametrize(
    "header", [None, "Basic dTpw", "Digest username=u", "Negotiate abc", "bear abc", "Bearers abc"]
)
def test_no_credentials(app, path, header):
    headers = {} if header is None else {"Authorization": header}
    check_refusal(ask(app, path, **headers), 401, BARE + NEEDED[path])


@pytest.mark.slow
@pytest.mark.promise("GD-65")
@pytest.mark.parametrize("path", GUARDED)
@pytest.mark.parametrize(
    "header",
    [
        "",
        " ",
        "Bearer",
        "Bearer ",
        "Bearer a b",
        "Bearer a,b",
        "Bearer a, Bearer b",
        "Basic dTpw, Bearer b",
        "Bearer\ta",
        "Bearer a=b",
        "Bearer =",
        'Bearer "a"',
        "Bearer token=a",
        "Bearer a\tb",
        "Bearer \u00e9",
        "Bearer a;b",
    ],
)
def test_a_header_that_is_not_one_token(app, path, header):
    check_refusal(ask(app, path, Authorization=header), 400, MALFORMED)


def mint_bad(issuer):
    revoked = issuer.mint(scope="read write")
    issuer.revoke(revoked)
    return {
        "expired": issuer.mint_expired(),
        "foreign": issuer.mint_foreign(),
        "tampered": issuer.mint_tampered(),
        "of another issuer": issuer.mint(iss="https://other.test"),
        "for another audience": issuer.mint(aud="other"),
        "an opaque string": "0123456789",
        "garbage in three parts": "a.b.c",
        "of type ID token": issuer.mint(header={"typ": "id+jwt"}),
        "unsigned": issuer.mint(header={"alg": "none"}).rsplit(".", 1)[0] + ".",
        "one character": "a",
        "dots": "...",
        "padding": "a==",
    }


def test_a_bad_token(app, issuer):
    for raw in mint_bad(issuer).values():
        for path in GUARDED:
            check_refusal(ask(app, path, raw), 401, INVALID + NEEDED[path])


def test_a_refusal_does_not_tell_one_bad_token_from_another(app, issuer):
    revoked = issuer.mint()
    issuer.revoke(revoked)
    bodies = {ask(app, "/remote", raw).body for raw in [*mint_bad(issuer).values(), revoked]}
    assert len(bodies) == 1


def test_a_revoked_token(app, issuer):
    raw = issuer.mint()
    issuer.revoke(raw)
    check_refusal(ask(app, "/remote", raw), 401, INVALID)


def test_a_good_token_that_lacks_a_scope(app, issuer):
    response = ask(app, "/scoped", issuer.mint(scope="read"))
    check_refusal(response, 403, f'{INSUFFICIENT}, scope="read write"')
    assert read_problem(response)["scope"] == "read write"


def test_a_good_token_that_lacks_something_else(issuer):
    app = build_app(lambda config: add(config, "/clients", token_require={"client": "robot"}), issuer)
    response = ask(app, "/clients", issuer.mint())
    check_refusal(response, 403, INSUFFICIENT)
    assert "scope" not in read_problem(response)


@pytest.mark.slow
@pytest.mark.promise("GD-20")
@pytest.mark.parametrize("path", GUARDED)
def test_an_issuer_that_is_down(app, issuer, path):
    with issuer.outage():
        response = ask(app, path, issuer.mint(scope="read write"))
    assert response.status_int == 503
    assert re.fullmatch(r"\d+", response.headers["Retry-After"])
    assert "WWW-Authenticate" not in response.headers
    assert response.headers["Cache-Control"] == "no-store"
    problem = read_problem(response)
    assert problem == {
        "type": "about:blank",
        "title": "Service Unavailable",
        "status": 503,
        "detail": "The access token can't be checked at the moment. Try again later.",
    }


def test_an_issuer_that_is_down_is_not_asked_about_what_it_need_not_be(app, issuer):
    with issuer.outage():
        for path in GUARDED:
            assert find_status(app, path) == 401
            assert find_status(app, path, Authorization="Bearer a b") == 400
        assert find_status(app, "/open", issuer.mint()) == 200
        assert find_status(app, "/local", "not-a-jwt") == 401


@pytest.mark.slow
@pytest.mark.parametrize("path", GUARDED)
def test_a_good_answer(app, issuer, path):
    response = ask(app, path, issuer.mint(scope="read write"))
    assert response.status_int == 200
    assert response.headers.getall("Vary") == ["Authorization"]
    assert response.headers.getall("Cache-Control") == ["no-store"]
    assert "WWW-Authenticate" not in response.headers


def test_the_realm_is_the_applications(issuer):
    app = build_app(add_views, issuer, settings={"oauthguard.realm": r'my "own" API\ ~'})
    assert ask(app, "/local").headers["WWW-Authenticate"] == r'Bearer realm="my \"own\" API\\ ~"'


# ── what caches may keep ─────────────────────────────────────────────────────────────────────────────────────────


def build_answering(issuer, view, **options):
    return build_app(lambda config: add(config, "/here", view, token_check="local", **options), issuer)


@pytest.mark.parametrize("value", ["private, max-age=60", "public, max-age=5", "no-cache"])
def test_cache_control_that_a_view_set_stays(issuer, value):
    def view(request):
        request.response.headers["Cache-Control"] = value
        return {}

    response = ask(build_answering(issuer, view), "/here", issuer.mint())
    assert response.headers.getall("Cache-Control") == [value]
    assert response.headers.getall("Vary") == ["Authorization"]


def test_the_http_cache_option_stays(issuer):
    response = ask(build_answering(issuer, tell, http_cache=60), "/here", issuer.mint())
    assert response.headers.getall("Cache-Control") == ["max-age=60"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["Accept"], ["Accept", "Authorization"]),
        (["Accept, Authorization"], ["Accept, Authorization"]),
        (["Accept", "authorization"], ["Accept", "authorization"]),
        (["*"], ["*"]),
        (["X-Authorization"], ["X-Authorization", "Authorization"]),
        (["X-Authorization-Level, Accept"], ["X-Authorization-Level, Accept", "Authorization"]),
    ],
)
def test_vary_is_completed(issuer, values, expected):
    def view(request):
        request.response.headers.extend(("Vary", value) for value in values)
        return {}

    response = ask(build_answering(issuer, view), "/here", issuer.mint())
    assert response.headers.getall("Vary") == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    "error", [HTTPNotFound, HTTPConflict, lambda: HTTPFound("/open"), lambda: HTTPMovedPermanently("/")]
)
@pytest.mark.parametrize("how", ["raised", "returned"])
def test_what_a_guarded_view_raises_is_marked_as_well(issuer, error, how):
    """A 404 or 301 may be kept by any cache, and here it depends on who asked."""

    def view(request):
        found = error()
        if how == "raised":
            raise found
        return found

    response = ask(build_answering(issuer, view, renderer=None), "/here", issuer.mint())
    assert response.status_int == error().status_int
    assert response.headers.getall("Vary") == ["Authorization"]
    assert response.headers.getall("Cache-Control") == ["no-store"]


def test_what_an_exception_view_makes_of_a_guarded_views_error_is_marked(issuer):
    def view(request):
        raise ValueError

    def configure(config):
        add(config, "/here", view, token_check="local")
        config.add_exception_view(lambda error, request: Response("sorry", status=422), context=ValueError)

    response = ask(build_app(configure, issuer), "/here", issuer.mint())
    assert (response.status_int, response.headers["Vary"]) == (422, "Authorization")
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.slow
@pytest.mark.parametrize("raw", [None, "bad"])
@pytest.mark.parametrize("path", GUARDED)
def test_what_an_applications_own_forbidden_view_says_is_marked(issuer, path, raw):
    def configure(config):
        add_views(config)
        config.add_forbidden_view(lambda error, request: Response("go away", status=403))

    response = ask(build_app(configure, issuer), path, raw)
    assert (response.text, response.status_int) == ("go away", 403)
    assert response.headers.getall("Vary") == ["Authorization"]
    assert response.headers.getall("Cache-Control") == ["no-store"]


def test_one_response_served_to_many_requests_is_marked_once(issuer):
    shared = Response("the same")
    app = build_answering(issuer, lambda request: shared, renderer=None)
    for _again in range(3):
        response = ask(app, "/here", issuer.mint())
    assert response.headers.getall("Vary") == ["Authorization"]


# ── HEAD, OPTIONS, unknown places ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.promise("GD-28")
@pytest.mark.parametrize("path", GUARDED)
def test_head_is_guarded_as_get_is(app, issuer, path):
    refused = ask(app, path, method="HEAD")
    assert (refused.status_int, refused.headers["WWW-Authenticate"], refused.body) == (
        401,
        BARE + NEEDED[path],
        b"",
    )
    assert ask(app, path, issuer.mint(scope="read write"), "HEAD").status_int == 200


@pytest.mark.promise("GD-28")
def test_what_needed_no_token_needs_none(issuer, tmp_path):
    (tmp_path / "style.css").write_text("body {}")

    def configure(config):
        add_views(config)
        config.add_static_view("static", str(tmp_path))
        add(config, "/only-post", answer("posted"), renderer=None, request_method="POST", token_check="local")

    app = build_app(configure, issuer)
    for headers in {}, {"Authorization": "Bearer a b"}, {"Authorization": "Bearer bad"}, {"Authorization": ""}:
        for method in "GET", "HEAD", "POST", "OPTIONS":
            assert ask(app, "/nowhere", method=method, **headers).status_int == 404
            assert ask(app, "/open", method=method, **headers).status_int == 200
        assert ask(app, "/static/style.css", **headers).text == "body {}"
        assert ask(app, "/static/style.css", method="HEAD", **headers).status_int == 200
        assert ask(app, "/static/nothing.css", **headers).status_int == 404
        assert ask(app, "/static/../local", **headers).status_int == 404
        assert ask(app, "/only-post", **headers).status_int == 404
    assert not issuer.calls


PREFLIGHT = {"Origin": "https://app.example", "Access_Control_Request_Method": "POST"}


@pytest.mark.slow
@pytest.mark.promise("GD-28")
@pytest.mark.parametrize("path", GUARDED)
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer a b"}, {"Authorization": "Bearer bad"}])
def test_a_preflight_is_not_asked_for_a_token(app, issuer, path, headers):
    response = ask(app, path, method="OPTIONS", **PREFLIGHT, **headers)
    assert (response.status_int, response.body) == (204, b"")
    assert not {"WWW-Authenticate", "Access-Control-Allow-Origin"} & set(response.headers)
    assert not issuer.calls


@pytest.mark.promise("GD-28")
@pytest.mark.parametrize("options", [{"token_check": "local"}, {"token_require": "read"}, {"permission": "read"}])
def test_a_preflight_does_not_run_the_view(issuer, options):
    ran = []
    app = build_app(lambda config: add(config, "/here", lambda request: ran.append(request) or {}, **options), issuer)
    for raw in None, issuer.mint(scope="read"):
        ask(app, "/here", raw, "OPTIONS", **PREFLIGHT)
    assert not ran


@pytest.mark.slow
@pytest.mark.promise("GD-28")
@pytest.mark.parametrize("headers", [{}, {"Origin": "https://app.example"}, {"Access_Control_Request_Method": "POST"}])
@pytest.mark.parametrize("path", GUARDED)
def test_options_that_is_no_preflight_is_guarded(app, issuer, path, headers):
    check_refusal(ask(app, path, method="OPTIONS", **headers), 401, BARE + NEEDED[path])
    assert ask(app, path, issuer.mint(scope="read write"), "OPTIONS", **headers).status_int == 200


@pytest.mark.slow
@pytest.mark.promise("GD-28")
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "PUT", "DELETE", "options", "OPTIONS "])
def test_the_headers_of_a_preflight_open_nothing_for_other_methods(app, method):
    headers = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    for path in GUARDED:
        assert Request.blank(path, method=method, headers=headers).get_response(app.app).status_int == 401


@pytest.mark.promise("GD-28")
def test_an_applications_own_preflight_view_answers(issuer):
    def configure(config):
        add(config, "/here", token_check="local", request_method="GET")
        add(config, "/here", answer("allowed"), renderer=None, request_method="OPTIONS")

    app = build_app(configure, issuer)
    assert ask(app, "/here", method="OPTIONS", **PREFLIGHT).text == "allowed"
    assert find_status(app, "/here") == 401


# ── forbidden views, exception views ─────────────────────────────────────────────────────────────────────────────


def test_an_applications_own_forbidden_view_knows_the_reason(issuer):
    def forbidden(error, request):
        return Response(json.dumps({"reason": error.result.reason, "status": error.result.error.status}), status=403)

    def configure(config):
        add_views(config)
        config.add_forbidden_view(forbidden)

    app = build_app(configure, issuer)
    assert ask(app, "/local").json_body == {"reason": "missing_token", "status": 401}
    assert ask(app, "/local", issuer.mint_expired()).json_body == {"reason": "expired", "status": 401}
    assert ask(app, "/permitted").json_body == {"reason": "missing_token", "status": 401}
    assert ask(app, "/permitted", issuer.mint()).json_body == {"reason": "insufficient_scope", "status": 403}
    with issuer.outage():
        assert ask(build_app(configure, issuer), "/permitted", issuer.mint()).status_int == 503


def test_an_applications_own_forbidden_view_may_call_the_guards(issuer):
    from pyramid_oauthguard.guard import forbidden_view

    def forbidden(error, request):
        if request.path == "/permitted":
            return Response("sign in first", status=302, location="/sign-in")
        return forbidden_view(error, request)

    def configure(config):
        add_views(config)
        config.add_forbidden_view(forbidden)

    app = build_app(configure, issuer)
    assert ask(app, "/permitted").text == "sign in first"
    check_refusal(ask(app, "/local"), 401, BARE)


def test_a_forbidden_that_is_not_the_guards_stays_what_it_is(issuer):
    def view(request):
        raise HTTPForbidden("closed on Sundays")

    app = build_app(lambda config: add(config, "/sunday", view, renderer=None), issuer)
    response = ask(app, "/sunday", Accept="text/plain")
    assert response.status_int == 403
    assert "closed on Sundays" in response.text
    assert "WWW-Authenticate" not in response.headers


@pytest.mark.parametrize("path", ["/closed", "/guarded"])
def test_a_forbidden_of_an_odd_shape_stays_what_it_is(issuer, path):
    class Odd(HTTPForbidden):
        def __init__(self):
            Response.__init__(self, "odd", status=403)
            Exception.__init__(self, "odd")

    def view(request):
        raise Odd

    def configure(config):
        add(config, "/closed", view, renderer=None)
        add(config, "/guarded", view, renderer=None, token_check="local")

    response = ask(build_app(configure, issuer), path, issuer.mint())
    assert (response.status_int, response.text) == (403, "odd")


class Oops(Exception):
    __acl__ = ((Allow, "scope:read", "read"),)


def oops(request):
    raise Oops


def say_sorry(error, request):
    return Response(f"sorry, {request.authenticated_userid or 'stranger'}")


def test_an_unmarked_exception_view_serves_everybody(issuer):
    def configure(config):
        add(config, "/oops", oops)
        config.set_default_permission("own")
        config.add_exception_view(say_sorry, context=Oops)
        config.add_view(oops, route_name="oops", permission="__no_permission_required__", request_method="POST")

    app = build_app(configure, issuer)
    assert ask(app, "/oops", method="POST").text == "sorry, stranger"
    assert ask(app, "/oops", issuer.mint(sub="ada")).text == "sorry, ada"


@pytest.mark.slow
@pytest.mark.promise("GD-15")
@pytest.mark.parametrize(
    ("way", "options"),
    [
        ("add_exception_view", {"token_check": "remote"}),
        ("add_exception_view", {"token_require": "read"}),
        ("add_view", {"token_check": "remote"}),
        ("add_view", {"token_require": "read"}),
        ("add_view", {"permission": "read"}),
    ],
)
def test_a_guarded_exception_view_serves_whom_it_may(issuer, way, options):

    def configure(config):
        add(config, "/oops", oops)
        getattr(config, way)(say_sorry, context=Oops, **options)

    app = build_app(configure, issuer)
    needed = "" if "token_check" in options else ', scope="read"'
    check_refusal(ask(app, "/oops"), 401, BARE + needed)
    check_refusal(ask(app, "/oops", "bad"), 401, INVALID + needed)
    assert ask(app, "/oops", issuer.mint(sub="ada", scope="read")).text == "sorry, ada"
    revoked = issuer.mint(scope="read")
    issuer.revoke(revoked)
    assert find_status(app, "/oops", revoked) == (401 if "token_check" in options else 200)
    if "token_check" not in options:
        assert find_status(app, "/oops", issuer.mint()) == 403
    with issuer.outage():
        assert find_status(build_app(configure, issuer), "/oops", issuer.mint()) == 503


@pytest.mark.promise("GD-15")
def test_a_guarded_exception_view_after_a_guarded_view_keeps_the_stricter_mode(issuer):
    def configure(config):
        add(config, "/remote", oops, token_check="remote")
        config.add_exception_view(
            lambda error, request: Response(request.access_token.mode), context=Oops, token_check="local"
        )

    assert ask(build_app(configure, issuer), "/remote", issuer.mint()).text == "remote"


def test_a_guarded_forbidden_view_does_not_go_round_in_circles(issuer):
    def configure(config):
        add_views(config)
        config.add_forbidden_view(lambda error, request: Response("refused", status=403), token_check="remote")

    app = build_app(configure, issuer)
    check_refusal(ask(app, "/permitted"), 401, BARE)
    assert ask(app, "/permitted", issuer.mint()).text == "refused"


def test_an_outage_has_an_exception_view_like_any_other_error(issuer):
    from pyramid.httpexceptions import HTTPServiceUnavailable

    def unavailable(error, request):
        return Response(f"back in {error.headers['Retry-After']}", status=503)

    def configure(config):
        add_views(config)
        config.add_exception_view(unavailable, context=HTTPServiceUnavailable)

    with issuer.outage():
        assert ask(build_app(configure, issuer), "/local", issuer.mint()).text.startswith("back in ")


def test_a_view_may_refuse_for_itself(issuer):
    """What the guard's errors mean does not depend on who raises them."""

    def choosy(request):
        if not request.access_token.can("write"):
            raise InsufficientScope(scopes=("write",))
        if not request.access_token.can("read"):
            raise UnavailableError("shop_closed", retry_after=60)
        return {}

    app = build_app(lambda config: add(config, "/choosy", choosy, token_check="local"), issuer)
    check_refusal(ask(app, "/choosy", issuer.mint()), 403, f'{INSUFFICIENT}, scope="write"')
    response = ask(app, "/choosy", issuer.mint(scope="write"))
    assert (response.status_int, response.headers["Retry-After"]) == (503, "60")
    assert find_status(app, "/choosy", issuer.mint(scope="write read")) == 200


# ── CSRF ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def build_csrf(issuer, callback):
    from pyramid.csrf import CookieCSRFStoragePolicy

    def configure(config):
        config.set_csrf_storage_policy(CookieCSRFStoragePolicy())
        config.set_default_csrf_options(require_csrf=True, callback=callback)
        add(config, "/guarded", token_check="local", request_method="POST")
        add(config, "/form", answer("stored"), renderer=None, request_method="POST")

    return build_app(configure, issuer)


def test_a_bearer_request_needs_no_csrf_token(issuer):
    app = build_csrf(issuer, csrf_callback)
    assert ask(app, "/guarded", issuer.mint(), "POST").status_int == 200
    assert ask(app, "/form", issuer.mint(), "POST").text == "stored"


def test_without_the_callback_it_does(issuer):
    app = build_csrf(issuer, None)
    assert ask(app, "/guarded", issuer.mint(), "POST").status_int == 400
    # Who may not ask at all is told so first.
    assert ask(app, "/guarded", method="POST").status_int == 401


@pytest.mark.slow
@pytest.mark.parametrize(
    "header",
    [None, "Basic dTpw", "Bearers x", 'Digest username="u", uri="/form?x=,bearer,", response="0"', "Negotiate YII="],
)
def test_what_a_browser_sends_by_itself_needs_a_csrf_token(issuer, header):
    app = build_csrf(issuer, csrf_callback)
    headers = {} if header is None else {"Authorization": header}
    assert ask(app, "/form", method="POST", **headers).status_int == 400


# ── headers hold nothing of the request ──────────────────────────────────────────────────────────────────────────


HOSTILE = ('"', "\\", "\r\nSet-Cookie: a=b", "\n", "\0", "<script>", "é", "\u2028", '", error="x', "%0d%0aX: y")


@pytest.mark.slow
@pytest.mark.promise("GD-27")
@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_of_a_token_reaches_a_header(app, issuer, text):
    said = f"marker{text}marker"
    claims = dict.fromkeys(("sub", "client_id", "scope", "jti", "kid", "username", "acr"), said)
    for path in GUARDED:
        check_refusal(ask(app, path, issuer.mint(claims, header={"kid": said})), 401, INVALID + NEEDED[path])
        for response in ask(app, path, issuer.mint(claims)), ask(app, path, issuer.mint({**claims, "aud": said})):
            for value in response.headers.values():
                assert "marker" not in value
                assert re.fullmatch(r"[\x20-\x7e]*", value)


@pytest.mark.promise("GD-27")
def test_what_an_acl_names_is_quoted_in_the_challenge(issuer):
    class Odd:
        __acl__ = ((Allow, 'scope:a"b\\c', "read"), (Allow, "scope:new\r\nline é", "read"))

        def __init__(self, request):
            pass

    app = build_app(lambda config: add(config, "/read", permission="read"), issuer, root_factory=Odd)
    response = ask(app, "/read", issuer.mint())
    assert response.headers["WWW-Authenticate"] == f'{INSUFFICIENT}, scope="a\\"b\\\\c newline "'


@pytest.mark.promise("GD-27")
def test_what_a_view_requires_is_quoted_in_the_challenge(issuer):
    app = build_app(lambda config: add(config, "/odd", token_require=['a"b\\', "é\r\nX:y"]), issuer)
    assert ask(app, "/odd", issuer.mint()).headers["WWW-Authenticate"] == f'{INSUFFICIENT}, scope="a\\"b\\\\ X:y"'


@pytest.mark.promise("GD-65")
@pytest.mark.parametrize("place", ["query", "body", "cookie"])
def test_a_token_elsewhere_is_no_token(app, issuer, place):
    raw = issuer.mint(scope="read write")
    for path in GUARDED:
        if place == "query":
            response = app.get(path, {"access_token": raw}, status="*")
        elif place == "body":
            response = app.post(path, {"access_token": raw}, status="*")
        else:
            response = ask(app, path, Cookie=f"access_token={raw}; Authorization={raw}")
        check_refusal(response, 401, BARE + NEEDED[path])
    assert find_status(app, "/local?access_token=bad", raw) == 200


def test_two_forms_of_one_answer(app, issuer):
    """The challenge and the document say the same."""
    response = ask(app, "/scoped", issuer.mint())
    problem = read_problem(response)
    assert f'error="{problem["error"]}"' in response.headers["WWW-Authenticate"]
    assert f'scope="{problem["scope"]}"' in response.headers["WWW-Authenticate"]
    assert problem["detail"] in response.headers["WWW-Authenticate"]
    assert bearer("x") == {"Authorization": "Bearer x"}


@pytest.mark.parametrize("name", ["Vary", "Cache-Control"])
def test_of_two_headers_the_views_own_one_stays_alone(name):
    def view(context, request):
        response = Response(app_iter=[b"ok"])
        response.headerlist = [("Content-Type", "text/plain"), (name, "private, *")]
        return response

    issuer = MemoryIssuer()
    app = build_app(lambda config: add(config, "/here", view, renderer=None, token_check="local"), issuer)
    assert ask(app, "/here", issuer.mint()).headers.getall(name) == ["private, *"]
