"""An application below any mount point (SCRIPT_NAME): its addresses are below it, and its metadata are where clients look."""

from __future__ import annotations

import json
import time
from urllib.parse import unquote, urlsplit

import pytest
from joserfc import jws
from joserfc.jwk import ECKey
from webtest import TestApp, TestRequest

from pyramid_oauthguard.discovery import build_metadata_urls
from pyramid_oauthguard.server.grant_types import DEVICE_CODE
from tests.guard.serving import serve
from tests.server.conftest import basic
from tests.server.flows import VERIFIER, build_flow, read_answer, read_next

HOST = "https://example.org"
#: As a browser writes them.
MOUNTS = ["/auth", "/a/b", "/with%20space", "/%C3%BCmlaut", "/per%25cent", "/a=b;c+d"]
KEY = ECKey.generate_key("P-256", parameters={"kid": "one"})

pytestmark = pytest.mark.promise("AS-16")


def mount(app, *places):
    """A WSGI application with `app` at each of these paths, as a PasteDeploy composite has it, and nothing elsewhere."""
    prefixes = sorted((unquote(place, "latin-1") for place in places), key=len, reverse=True)

    def dispatch(environ, start_response):
        path = environ["PATH_INFO"]
        for prefix in prefixes:
            if path == prefix or path.startswith(prefix + "/"):
                environ["SCRIPT_NAME"] += prefix
                environ["PATH_INFO"] = path.removeprefix(prefix)
                return app(environ, start_response)
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"nothing is mounted here"]

    return dispatch


@pytest.fixture
def build_mounted(build):
    """A function that makes a flow whose browsers see the application at these places alone; the first is the issuer's."""

    def make(*places, **settings):
        flow = build_flow(build, {"issuer": HOST + places[0], **settings})
        flow.server.app = TestApp(mount(flow.server.app.app, *places))
        return flow

    return make


def read_location(response):
    """The path that the browser is sent to; WebOb puts the host before it."""
    assert response.status_int == 303
    return response.headers["Location"].removeprefix("http://localhost")


@pytest.mark.slow
@pytest.mark.parametrize("place", MOUNTS)
def test_each_address_in_the_metadata_is_below_the_mount_point(build_mounted, place):
    app = build_mounted(place).server.app
    found = app.get(f"{place}/.well-known/openid-configuration").json
    assert found["issuer"] == HOST + place
    assert app.get(f"{place}/.well-known/oauth-authorization-server").json == found
    for name, value in found.items():
        if name.endswith(("_endpoint", "_uri")):
            assert value.startswith(f"{HOST}{place}/oauth/"), name
            assert app.request(value.removeprefix(HOST), method="DELETE", status="*").status_int == 405


@pytest.mark.slow
@pytest.mark.parametrize("place", MOUNTS)
def test_a_code_is_given_and_redeemed_below_the_mount_point(build_mounted, place):
    flow = build_mounted(place)
    app, query = flow.server.app, flow.ask()
    assert read_next(app.get(f"{place}/oauth/authorize", query)).startswith(f"{place}/oauth/authorize?")
    posted = read_location(app.post(f"{place}/oauth/authorize", query))  # a client that posts its request
    assert posted.startswith(f"{place}/oauth/authorize?")
    app.set_cookie("user", "anna")
    page = app.get(f"{place}/oauth/authorize", query)
    assert page.form.action == f"{place}/oauth/authorize"
    assert f'href="{place}/oauth/pages.css?v='.replace("&", "&amp;") in page.text
    answer = page.form.submit("decision", value="allow")
    code = dict(part.split("=", 1) for part in urlsplit(answer.headers["Location"]).query.split("&"))["code"]
    assert answer.status_int == 303
    redirect_uri = query["redirect_uri"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri, "code_verifier": VERIFIER}
    headers = basic(flow.web.client.client_id, flow.web.secret)
    assert app.post(f"{place}/oauth/token", form, headers=headers).json["access_token"]
    listed = app.get(f"{place}/oauth/applications")
    withdrawn = read_location(listed.form.submit())
    assert withdrawn == f"{place}/oauth/applications"
    assert app.get(withdrawn).status_int == 200


@pytest.mark.slow
@pytest.mark.parametrize("place", MOUNTS)
def test_a_device_sends_its_user_below_the_mount_point(build_mounted, place):
    flow = build_mounted(place)
    app = flow.server.app
    television = flow.server.clients.create("Television", public=True, grants=["device_code"], scopes=["read"])
    form = {"client_id": television.client.client_id, "scope": "read"}
    codes = app.post(f"{place}/oauth/device_authorization", form).json
    assert codes["verification_uri"] == f"{HOST}{place}/oauth/device"
    app.set_cookie("user", "anna")
    asked = app.get(codes["verification_uri_complete"].removeprefix(HOST)).form.submit()
    done = read_location(asked.form.submit("decision", value="allow"))
    assert done == f"{place}/oauth/device"
    assert app.get(done).status_int == 200
    form = {"client_id": form["client_id"], "grant_type": DEVICE_CODE, "device_code": codes["device_code"]}
    assert app.post(f"{place}/oauth/token", form).json["access_token"]


@pytest.mark.slow
@pytest.mark.parametrize("place", MOUNTS)
def test_an_assertion_may_be_for_the_token_endpoint_below_the_mount_point(build_mounted, place):
    flow = build_mounted(place)
    jwks = {"keys": [KEY.as_dict(private=False)]}
    signer = flow.server.clients.create("Signer", grants=["client_credentials"], scopes=["read"], jwks=jwks).client
    now = int(time.time())
    claims = {"iss": signer.client_id, "sub": signer.client_id, "jti": "1", "iat": now, "exp": now + 60}
    for number, audience in enumerate((f"{HOST}{place}/oauth/token", f"{HOST}/oauth/token")):
        text = json.dumps({**claims, "aud": audience, "jti": str(number)})
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": jws.serialize_compact({"alg": "ES256", "kid": "one"}, text, KEY),
        }
        answer = flow.server.app.post(f"{place}/oauth/token", form, status="*")
        assert answer.status_int == (200 if place in audience else 401)


@pytest.mark.slow
@pytest.mark.parametrize("place", MOUNTS)
@pytest.mark.parametrize("document", ["oauth-authorization-server", "openid-configuration"])
@pytest.mark.parametrize("at", ["/.well-known/{document}{place}", "/.well-known/{document}", "/.well-known"])
def test_metadata_that_are_mounted_at_the_root_of_the_host_name_the_endpoints(build_mounted, place, document, at):
    app = build_mounted(place, at.format(document=document, place=place)).server.app
    found = app.get(f"/.well-known/{document}{place}").json
    assert found == app.get(f"{place}/.well-known/{document}").json
    assert found["token_endpoint"] == f"{HOST}{place}/oauth/token"


@pytest.mark.parametrize("issuer", ["", "/auth", "/a/b"])
def test_a_mount_point_that_the_issuer_does_not_have_gets_no_document_of_another_issuer(build, issuer):
    flow = build_flow(build, {"issuer": HOST + issuer})
    app = TestApp(mount(flow.server.app.app, "/elsewhere", "/a"))
    for place in ("/elsewhere", "/a"):
        for document in ("oauth-authorization-server", "openid-configuration"):
            answer = app.get(f"{place}/.well-known/{document}", status="*")
            # An application that does not know its mount point by its issuer answers the plain well-known address.
            assert answer.status_int == (404 if issuer else 200)


@pytest.mark.parametrize("path", ["/", "", "/auth", "/openid-configuration", "/oauth-authorization-server/auth"])
def test_other_addresses_stay_the_application_s(build, path):
    def configure(config):
        from pyramid.response import Response

        config.add_route("rest", "/*rest")
        config.add_view(lambda request: Response("mine"), route_name="rest")

    server = build({"issuer": f"{HOST}/auth"}, configure=configure)
    assert server.app.get(path or "/").text == "mine"


def test_a_request_without_path_info_reaches_the_application(build):
    """A WSGI server may leave an empty PATH_INFO out (PEP 3333). Every such request failed with a KeyError."""

    def configure(config):
        config.add_route("root", "/")
        config.add_view(lambda request: request.response, route_name="root")

    server = build(configure=configure)
    environ = TestRequest.blank("/").environ
    del environ["PATH_INFO"]
    assert TestRequest(environ).get_response(server.app.app).status_int == 200


@pytest.mark.slow
@pytest.mark.parametrize("script_name", ["//", '/"><b>', "/\u2028".encode().decode("latin-1"), "/a?b#c", "/a\\b"])
def test_no_mount_point_makes_an_endpoint_fail(build, script_name):
    flow = build_flow(build)
    browser = flow.sign_in()
    environ = {"SCRIPT_NAME": script_name}
    page = browser.get("/oauth/authorize", flow.ask(), extra_environ=environ)
    assert set(page.form.action) <= set("abcdefghijklmnopqrstuvwxyz/%0123456789ABCDEF")
    assert browser.get("/.well-known/openid-configuration", extra_environ=environ).json["token_endpoint"].isascii()
    posted = browser.post("/oauth/authorize", flow.ask(), extra_environ=environ, status=303)
    assert posted.headers["Location"].isascii()
    form = [*page.form.submit_fields(), ("decision", "deny")]
    answer = browser.post("/oauth/authorize", form, extra_environ=environ)
    assert read_answer(answer)["error"] == "access_denied"


@pytest.mark.slow
def test_waitress_with_a_url_prefix(build):
    flow = build_flow(build, {"issuer": f"{HOST}/auth"})
    with serve(flow.server.app.app, url_prefix="/auth") as server:
        for url in build_metadata_urls(f"{HOST}/auth"):
            answer = server.ask(url.removeprefix(HOST).encode())
            assert answer.status == 200, url
            assert json.loads(answer.body)["token_endpoint"] == f"{HOST}/auth/oauth/token"
        assert server.ask(b"/auth/oauth/jwks").status == 200
