"""The panel of the debug toolbar, in the real toolbar: what it shows, what it never shows, and that it changes no answer."""

from __future__ import annotations

import html
import re
import sys
from typing import Any

import pytest
from pyramid.authorization import Allow
from pyramid.config import Configurator
from pyramid.path import DottedNameResolver
from webtest import TestApp

from pyramid_oauthguard.testing import MemoryIssuer, trust
from pyramid_oauthguard.toolbar.steps import WATCHED, Trace

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # whatever the toolbar's dependencies have to say
pytest.importorskip("pyramid_debugtoolbar", reason="not installed: pyramid_debugtoolbar")

ON_THIS_MACHINE = {"REMOTE_ADDR": "127.0.0.1"}


class Shelf:
    __acl__ = ((Allow, "scope:read", "read"),)

    def __init__(self, request: Any) -> None:
        pass


def add_views(config: Configurator) -> None:
    def add(name: str, **options: Any) -> None:
        config.add_route(name, f"/{name}", factory=Shelf)
        config.add_view(lambda request: {}, route_name=name, renderer="json", **options)

    add("local", token_check="local", token_require="read")
    add("remote", token_check="remote")
    add("shelf", permission="read")
    add("open")


def build(issuer: MemoryIssuer, *, toolbar: bool = True, **settings: str) -> TestApp:
    included = {"debugtoolbar.includes": "pyramid_oauthguard.toolbar"} if toolbar else {}
    config = Configurator(settings={**issuer.settings, **included, **settings})
    config.include("pyramid_oauthguard")
    config.include("pyramid_debugtoolbar")
    add_views(config)
    app = config.make_wsgi_app()
    trust(app, issuer)
    return TestApp(app, extra_environ=ON_THIS_MACHINE)


def read_panel(app: TestApp) -> str:
    """The text of the panel of the last request."""
    ((request_id, _toolbar),) = app.app.registry.pdtb_history.last(1)
    page = app.get(f"/_debug_toolbar/{request_id}").text
    found = re.search(r'id="pDebugPanel-oauthguard-content".*?(?=id="pDebugPanel-|\\Z)', page, re.DOTALL)
    text = found[0] if found else page[page.index("<h4>This request") :]
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text)))


def ask(app: TestApp, path: str, headers: dict[str, str] | None = None) -> tuple[int, str]:
    status = app.get(path, headers=headers or {}, status="*").status_int
    return status, read_panel(app)


def test_a_good_token_is_shown_by_its_claims() -> None:
    issuer = MemoryIssuer()
    status, panel = ask(build(issuer), "/local", issuer.bearer(scope="read", department="books"))
    assert status == 200
    for text in (
        "check local",
        "token_check of the view",
        "token_require read",
        '"department": "books"',
        "scopes read",
    ):
        assert text in panel
    for step in ("check the token good, local", "check the signature good", "check the claims good"):
        assert step in panel


def test_the_caches_are_told() -> None:
    issuer = MemoryIssuer()
    app = build(issuer)
    headers = issuer.bearer(scope="read")
    _status, first = ask(app, "/local", headers)
    assert "tokens verified before not there" in first
    assert "keys of the issuer fetched for this request" in first
    _status, second = ask(app, "/local", headers)
    assert "tokens verified before there" in second
    assert "keys of the issuer kept" in second
    _status, remote = ask(app, "/remote", headers)
    assert "introspection answer asked for by this request" in remote
    assert "ask the issuer, whose answer was not kept active: True" in remote


def test_a_kept_introspection_answer_is_told() -> None:
    issuer = MemoryIssuer()
    app = build(issuer, **{"oauthguard.cache.introspection.expiration_time": "60"})
    headers = issuer.bearer()
    ask(app, "/remote", headers)
    assert "introspection answer kept" in ask(app, "/remote", headers)[1]


def test_the_setting_that_decided_is_named() -> None:
    issuer = MemoryIssuer()
    app = build(issuer, **{"oauthguard.token_check": "remote"})
    assert "oauthguard.token_check = remote" in ask(app, "/shelf", issuer.bearer(scope="read"))[1]
    status, panel = ask(app, "/local", issuer.bearer(aud="https://other.test"))
    assert status == 401
    assert "reason wrong_audience" in panel
    assert f"oauthguard.audience: {issuer.settings['oauthguard.audience']}" in panel


def test_the_acl_is_a_step() -> None:
    issuer = MemoryIssuer()
    app = build(issuer)
    assert "ask the ACL for read granted" in ask(app, "/shelf", issuer.bearer(scope="read"))[1]
    status, panel = ask(app, "/shelf", issuer.bearer(scope="other"))
    assert status == 403
    assert "ask the ACL for read denied" in panel
    assert "reason insufficient_scope required scopes read" in panel


def test_the_last_refusals_are_listed_and_bounded() -> None:
    issuer = MemoryIssuer()
    app = build(issuer)
    for number in range(30):
        app.get(f"/local?{number}", status=401)
    _status, panel = ask(app, "/local", issuer.bearer(scope="other"))
    assert panel.count("GET /local 401 missing_token") == 19
    assert panel.count("GET /local 403 insufficient_scope") == 1
    assert "None so far" in ask(build(issuer), "/open")[1]


def test_a_view_that_asks_for_no_token_says_so() -> None:
    issuer = MemoryIssuer()
    _status, panel = ask(build(issuer), "/open", issuer.bearer())
    assert "No view of this request asks for an access token" in panel
    assert "claims" not in panel


@pytest.mark.promise("GD-26")
@pytest.mark.parametrize("path", ["/local", "/remote", "/shelf"])
def test_no_token_and_no_signature_is_shown(path: str) -> None:
    issuer = MemoryIssuer()
    app = build(issuer)
    good = issuer.mint(scope="read")
    for raw in (good, issuer.mint(scope="other"), good[:-4] + "AAAA", "opaque-token-characters"):
        panel = ask(app, path, {"Authorization": f"Bearer {raw}"})[1]
        for part in (raw, raw.rpartition(".")[2], *raw.split(".")[:2]):
            assert part not in panel


@pytest.mark.promise("GD-26")
def test_an_issuer_that_repeats_the_token_does_not_show_it() -> None:
    issuer = MemoryIssuer()
    answer = issuer.introspect
    issuer.introspect = lambda raw: {**answer(raw), "echo": {"access_token": raw}}  # type: ignore[method-assign]
    raw = issuer.mint(scope="read")
    status, panel = ask(build(issuer), "/remote", {"Authorization": f"Bearer {raw}"})
    assert status == 200
    assert '"access_token": "***"' in panel
    assert raw not in panel


def test_what_a_caller_sends_is_escaped() -> None:
    issuer = MemoryIssuer()
    app = build(issuer)
    app.get("/local", headers=issuer.bearer(scope="read", note="<script>alert(1)</script>"))
    ((request_id, _toolbar),) = app.app.registry.pdtb_history.last(1)
    page = app.get(f"/_debug_toolbar/{request_id}").text
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_the_answers_are_those_without_the_panel() -> None:
    issuer = MemoryIssuer()
    apps = [build(issuer), build(issuer, toolbar=False)]
    for path in ("/local", "/remote", "/shelf", "/open"):
        for headers in ({}, issuer.bearer(scope="read"), issuer.bearer(scope="x"), {"Authorization": "Bearer a.b.c"}):
            found = {(app.get(path, headers=headers, status="*").status_int) for app in apps}
            assert len(found) == 1, path


def test_without_the_panel_nothing_is_observed() -> None:
    issuer = MemoryIssuer()
    registry = build(issuer, toolbar=False).app.registry
    assert "authenticate" not in registry.oauthguard.authenticator.__dict__
    assert "oauthguard_refusals" not in registry.__dict__


def test_an_application_without_the_guard_has_a_panel_too() -> None:
    config = Configurator(settings={"debugtoolbar.includes": "pyramid_oauthguard.toolbar"})
    config.include("pyramid_debugtoolbar")
    config.add_route("open", "/open")
    config.add_view(lambda request: {}, route_name="open", renderer="json")
    app = TestApp(config.make_wsgi_app(), extra_environ=ON_THIS_MACHINE)
    assert "No view of this request" in ask(app, "/open")[1]


def test_a_profiler_that_is_at_work_goes_on() -> None:
    seen: list[str] = []

    def profile(frame: Any, event: str, _value: Any) -> None:
        seen.append(event)

    sys.setprofile(profile)
    try:
        with Trace().watch():
            pass
        assert sys.getprofile() is profile
    finally:
        sys.setprofile(None)
    assert seen


@pytest.mark.parametrize("name", WATCHED)
def test_each_watched_function_exists(name: str) -> None:
    assert DottedNameResolver().resolve(f"pyramid_oauthguard.{name}").__code__
