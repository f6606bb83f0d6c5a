"""What the application tells about its guard: to clients (RFC 9728), to pviews, to the debug toolbar."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pyramid.config import Configurator
from pyramid.request import Request
from webtest import TestApp

from pyramid_oauthguard.testing import MemoryIssuer, trust
from tests.guard.guarding import BARE, add, ask, build_app, find_status

ROOT = Path(__file__).parent.parent.parent
PLACE = "/.well-known/oauth-protected-resource"


def build(resource, configure=lambda config: None, **settings):
    def complete(config):
        add(config, "/local", token_check="local")
        configure(config)

    given = {"oauthguard.resource": resource, "oauthguard.resource_metadata": "on", **settings}
    return build_app(complete, settings=given)


# ── RFC 9728 ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_document_says_whose_tokens_are_taken():
    app = build("https://api.example")
    response = ask(app, PLACE)
    assert response.content_type == "application/json"
    assert response.json == {
        "resource": "https://api.example",
        "authorization_servers": ["https://issuer.test"],
        "bearer_methods_supported": ["header"],
    }


@pytest.mark.parametrize("end", ["%0A", "%0A%0A", "%0D", "/%0A", "%0A/"])
@pytest.mark.parametrize("path", ["", "/v1", "/v1/"])
def test_the_document_is_not_at_an_address_that_goes_on(path, end):
    app = build(f"https://api.example{path}")
    assert find_status(app, f"{PLACE}{path}") == 200
    assert find_status(app, f"{PLACE}{path}{end}") == 404
    assert find_status(app, f"{PLACE}{end}") == 404


@pytest.mark.parametrize(
    ("resource", "path"),
    [
        ("https://api.example", ""),
        ("https://api.example/", ""),
        ("https://api.example/v1", "/v1"),
        ("https://api.example/v1/", "/v1/"),
        ("https://api.example/a/b/c", "/a/b/c"),
        ("http://localhost:6543/v1", "/v1"),
    ],
)
def test_every_challenge_says_where_the_document_is(resource, path):
    app = build(resource)
    origin = "/".join(resource.split("/")[:3])
    named = f"{origin}{PLACE}{path}"
    assert ask(app, "/local").headers["WWW-Authenticate"] == f'{BARE}, resource_metadata="{named}"'
    assert f'resource_metadata="{named}"' in ask(app, "/local", "bad").headers["WWW-Authenticate"]
    assert ask(app, f"{PLACE}{path}").json["resource"] == resource


@pytest.mark.parametrize("path", ["/v2", "s", "-and-more", "/v1/deeper", "/", "."])
def test_the_document_is_where_it_is_said_to_be_and_nowhere_else(path):
    """Elsewhere it would describe a resource that it does not name, which clients must refuse."""
    assert find_status(build("https://api.example/v1"), f"{PLACE}{path}") == 404


@pytest.mark.promise("GD-28")
def test_the_document_needs_no_token():
    def configure(config):
        config.set_default_permission("read")

    app = build("https://api.example", configure, **{"oauthguard.token_check": "remote"})
    for headers in {}, {"Authorization": "Bearer a b"}, {"Authorization": "Bearer bad"}:
        assert ask(app, PLACE, **headers).status_int == 200
        assert ask(app, PLACE, method="HEAD", **headers).status_int == 200


def test_scripts_of_any_origin_may_read_the_document():
    app = build("https://api.example")
    response = ask(app, PLACE, Origin="https://inspector.example")
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert response.headers["Access-Control-Expose-Headers"] == "WWW-Authenticate"
    asked = {"Origin": "https://inspector.example", "Access-Control-Request-Method": "GET"}
    preflight = ask(app, PLACE, method="OPTIONS", **asked, Access_Control_Request_Headers="mcp-protocol-version")
    assert (preflight.status_int, preflight.body) == (204, b"")
    assert preflight.headers["Access-Control-Allow-Headers"] == "*"
    for each in response, preflight:
        assert "Access-Control-Allow-Credentials" not in each.headers


def test_it_is_off_unless_it_is_wanted():
    app = build_app(lambda config: add(config, "/local", token_check="local"))
    assert find_status(app, PLACE) == 404
    assert ask(app, "/local").headers["WWW-Authenticate"] == BARE


def test_a_route_prefix_does_not_move_it():
    """The address is the RFC's, wherever the package is included."""
    config = Configurator(
        settings={
            **MemoryIssuer().settings,
            "oauthguard.resource": "https://api.example",
            "oauthguard.resource_metadata": "on",
        }
    )
    config.include("pyramid_oauthguard", route_prefix="/api")
    assert Request.blank(PLACE).get_response(config.make_wsgi_app()).status_int == 200


# ── pviews, introspectables ──────────────────────────────────────────────────────────────────────────────────────

INI = """\
[app:main]
use = call:tests.guard.test_publishing:make_app
oauthguard.issuer = https://issuer.test
oauthguard.audience = https://api.test
oauthguard.introspection.auth_method = none

[loggers]
keys = root
[handlers]
keys =
[formatters]
keys =
[logger_root]
handlers =
"""


def make_app(_global, **settings):
    config = Configurator(settings=settings)
    config.include("pyramid_oauthguard")
    add(config, "/local", token_check="local", permission="read")
    add(config, "/remote", token_check="remote", request_method="POST")
    add(config, "/scoped", token_require="read")
    add(config, "/many", token_check="remote", request_param="a")
    add(config, "/many", token_check="local")
    add(config, "/open")
    return config.make_wsgi_app()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "lines"),
    [
        ("/local", ["required permission = read", "view predicates (token_check = local)"]),
        ("/remote", ["view predicates (request_method = POST, token_check = remote)"]),
        ("/many", ["view predicates (request_param a, token_check = remote)", "view predicates (token_check = local)"]),
        ("/open", ["tests.guard.guarding.tell"]),
    ],
)
def test_pviews_shows_how_a_view_is_checked(tmp_path, path, lines):
    ini = tmp_path / "app.ini"
    ini.write_text(INI)
    code = "import sys; from pyramid.scripts.pviews import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, str(ini), path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for line in lines:
        assert line in done.stdout
    if path == "/open":
        assert "token_check" not in done.stdout


def find_view(app, route):
    views = app.registry.introspector.get_category("views")
    return [each["introspectable"] for each in views if each["introspectable"]["route_name"] == route]


def test_the_introspector_knows_the_options_of_each_view():
    app = make_app({}, **MemoryIssuer().settings)
    (local,), (scoped,) = find_view(app, "local"), find_view(app, "scoped")
    assert local["token_check"] == "local"
    assert scoped["token_require"] == "read"
    assert {each["token_check"] for each in find_view(app, "many")} == {"local", "remote"}
    assert find_view(app, "open")[0].get("token_check") is None


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # whatever the toolbar's own dependencies have to say
def test_the_debug_toolbar_shows_it():
    pytest.importorskip("pyramid_debugtoolbar", reason="not installed: pyramid_debugtoolbar")
    issuer = MemoryIssuer()
    config = Configurator(settings=issuer.settings)
    config.include("pyramid_oauthguard")
    config.include("pyramid_debugtoolbar")
    add(config, "/local", token_check="local", token_require="read")
    app = config.make_wsgi_app()
    trust(app, issuer)
    app = TestApp(app, extra_environ={"REMOTE_ADDR": "127.0.0.1"})
    assert find_status(app, "/local") == 401  # the toolbar's tween is no way around
    assert find_status(app, "/local", issuer.mint(scope="read")) == 200
    page = app.get("/_debug_toolbar/").text
    assert "token_check" in page
    assert "token_require" in page
