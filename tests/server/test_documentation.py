"""The pages about the server say what is true: the application in them works, and their answers are the endpoints' answers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from pyramid.interfaces import IRoutesMapper
from webtest import TestApp

from pyramid_oauthguard.server import events
from pyramid_oauthguard.server.clients import get_clients
from pyramid_oauthguard.server.grants import Approval
from pyramid_oauthguard.server.service import IService, ResourceOwner
from tests.documentation import find_blocks, read_page
from tests.promises import read_promises
from tests.server.conftest import Build
from tests.server.flows import CALLBACK, Flow, build_flow, read_answer

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
START, ENDPOINTS, OPERATION = map(read_page, ["how-to/server/start", "reference/endpoints", "how-to/server/operation"])
SECURITY = read_page("project/security")


@pytest.fixture
def flow(build: Build) -> Flow:
    return build_flow(build)


@pytest.fixture
def application(tmp_path) -> Iterator[Any]:
    """The whole application of the page, and its client."""
    (code,) = [block for block in find_blocks(START, "python") if "def main(" in block]
    space: dict[str, Any] = {}
    exec(compile(code, "start.md", "exec"), space)  # noqa: S102  # it is our own page
    settings = {
        "session.secret": "x" * 40,
        "oauthguard.server.issuer": "http://localhost:6543",
        "oauthguard.server.audience": "https://api.example",
        "oauthguard.server.scopes": "read = Read\nwrite = Write",
        "oauthguard.server.signing.algorithm": "ES256",
        "oauthguard.server.sqlalchemy.url": f"sqlite:///{tmp_path}/page.sqlite",
    }
    app = space["main"]({}, **settings)
    how = {"redirect_uris": [CALLBACK], "grants": ["authorization_code"], "scopes": ["read", "write"]}
    yield app, get_clients(app.registry).create("Web shop", **how)
    app.registry.getUtility(IService).store.close()


@pytest.mark.parametrize("length", [1, 1000, 2800, 3500, 8000])
def test_the_application_on_the_page_is_an_authorization_server(flow, application, length):
    app, made = application
    browser = TestApp(app)
    state = "s" * length
    page = browser.get("/oauth/authorize", flow.ask(made, redirect_uri=CALLBACK, state=state)).follow()
    answer = read_answer(page.form.submit().follow().form.submit("decision", value="allow"))
    assert answer["code"]
    assert answer["state"] == state


def test_two_tabs_of_one_browser_each_go_on_with_their_own_request(flow, application):
    app, made = application
    browser = TestApp(app)
    tabs = ["one", "two"]
    pages = [browser.get("/oauth/authorize", flow.ask(made, redirect_uri=CALLBACK, state=tab)).follow() for tab in tabs]
    for tab, page in zip(tabs, pages, strict=True):
        answer = page.form.submit()
        while answer.status_int == 303 and "https://web.example" not in answer.headers["Location"]:
            answer = answer.follow()
        # The second is allowed at once: its scopes were allowed in the first.
        said = answer.form.submit("decision", value="allow") if answer.status_int == 200 else answer
        assert read_answer(said)["state"] == tab


@pytest.mark.parametrize(
    "target", ["//evil.example", "/\\evil.example", "https://evil.example", "", "/a\nb", "\t//evil"]
)
def test_the_application_on_the_page_leads_to_no_other_host(application, target):
    app, _made = application
    answer = TestApp(app).get("/sign-in", {"next": target}).form.submit()
    assert answer.headers["Location"] == "http://localhost"


def find_paths(server):
    found = server.registry.getUtility(IRoutesMapper).get_routes()
    # The addresses of the metadata once more, as an application sees them that is mounted there.
    patterns = (route.pattern for route in found if route.name != "oauthguard.metadata.mounted")
    return {re.sub(r"\{(\w+):.*\}", r"{\1}", pattern) for pattern in patterns}


def test_every_endpoint_is_on_the_page(flow):
    headings = "\n".join(re.findall(r"^##? .*", ENDPOINTS, re.MULTILINE))
    routes = find_paths(flow.server) - {"/oauthguard/health{part}"}
    assert routes == {path for path in routes if f"{path}`" in headings}


def test_the_page_left_out_what_settings_turn_on(build, tmp_path):
    """Endpoints, and members of the metadata."""
    (tmp_path / "look.css").touch()
    (tmp_path / "logo.svg").write_text("<svg/>")
    settings = {
        "pages.stylesheet": str(tmp_path / "look.css"),
        "pages.logo": str(tmp_path / "logo.svg"),
        "self_registered.scopes": "read",
        "self_registered.audiences": "https://api.example",
        "registration": "open",
        "client_metadata_documents": "on",
    }
    flow = build_flow(build, settings)
    routes = find_paths(flow.server) - {"/oauthguard/health{part}"}
    assert {path for path in routes if f"{path}`" not in ENDPOINTS} == set()
    members = flow.server.app.get("/.well-known/oauth-authorization-server").json.keys()
    assert {name for name in members if f'"{name}"' not in ENDPOINTS and f"`{name}`" not in ENDPOINTS} == set()
    assert {path for path in ("admin", "admin/api") if f"`/oauth/{path}`" not in ENDPOINTS} == set()


def test_the_page_showed_metadata_without_offline_access(build):
    """Clients that ask for it get a refresh token, so the server names it."""
    shown = find_object("token_endpoint")
    scopes = "\n".join(name for name in shown["scopes_supported"] if name != "offline_access")
    flow = build_flow(build, {"scopes": scopes, "default_scopes": ""}, clients=False)
    assert (
        flow.server.app.get("/.well-known/oauth-authorization-server").json["scopes_supported"]
        == shown["scopes_supported"]
    )


def find_object(member: str) -> dict[str, Any]:
    """The one answer on the page that has this member."""
    objects = [json.loads(block) for block in find_blocks(ENDPOINTS, "json")]
    (found,) = [each for each in objects if member in each]
    return found


def test_the_answers_on_the_page_are_those_of_the_endpoints(flow):
    server = flow.server
    token = server.token()
    assert server.introspect(token).keys() == find_object("active").keys()
    assert server.app.get("/.well-known/oauth-authorization-server").json.keys() == find_object("token_endpoint").keys()
    form = {"grant_type": "client_credentials"}
    headers = server.basic(server.program)
    assert server.app.post("/oauth/token", form, headers=headers).json.keys() == find_object("access_token").keys()
    box = server.clients.create("Box", public=True, grants=["device_code"], scopes=["read"])
    answer = server.app.post("/oauth/device_authorization", {"client_id": box.client.client_id})
    assert answer.json.keys() == find_object("user_code").keys()
    refusal = '{"error": "invalid_request", "error_description": "The parameter grant_type is missing."}'
    assert refusal in ENDPOINTS
    assert server.app.post("/oauth/token", {}, headers=headers, status=400).json == json.loads(refusal)


def test_the_keys_on_the_page_are_rsa_keys_as_they_are_published(build):
    server = build({"signing.algorithm": "RS256"})
    (key,) = server.app.get("/oauth/jwks").json["keys"]
    assert key.keys() == find_object("keys")["keys"][0].keys()


def test_the_events_on_the_page_are_those_that_there_are():
    section = OPERATION.partition("\n## Events\n")[2].partition("\n## ")[0]
    assert set(re.findall(r"`([A-Z]\w+)`", section)) == {
        name for name in events.__all__ if name[0].isupper() and not name.isupper()
    }


def test_every_row_of_the_security_page_names_what_shows_it():
    rows = [line.strip("|").split("|") for line in SECURITY.splitlines() if line.startswith("| ") and "---" not in line]
    assert len(rows) > 15
    for _threat, _answer, shown, source in rows[1:]:
        named = re.findall(r"\b[A-Z]{2}-\d\d\b", shown)
        files = re.findall(r"`(tests/[\w/.]+)`", shown)
        assert named or files, shown
        assert set(named) <= read_promises().keys()
        assert all((ROOT / file).is_file() for file in files), files
        assert source.strip()


def test_the_pages_left_out_hooks_and_what_a_grant_may_return():
    hooks = [name for name in vars(ResourceOwner) if not name.startswith("_")]
    assert [name for name in hooks if f"def {name}(" not in read_page("how-to/server/users")] == []
    page = read_page("how-to/server/extend")
    assert [each.name for each in fields(Approval) if f"| `{each.name}` |" not in page] == []
