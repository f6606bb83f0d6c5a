"""The pages as they are sent: headers, templates of the application's, other languages."""

from __future__ import annotations

import re
import sqlite3

import pytest
from pyramid_jinja2 import add_jinja2_renderer

import pyramid_oauthguard
from tests.server.conftest import Build
from tests.server.flows import Flow, build_flow

pytestmark = pytest.mark.slow

SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def flow(build: Build) -> Flow:
    return build_flow(build)


def fetch_all(flow):
    browser = flow.sign_in()
    consent = browser.get("/oauth/authorize", flow.ask())
    consent.form.submit("decision", value="allow")
    return {
        "consent": consent,
        "applications": browser.get("/oauth/applications"),
        "error": browser.get("/oauth/authorize", status=400),
        "expired": browser.post("/oauth/authorize", {"ticket": "x"}, status=400),
    }


@pytest.mark.promise("AS-06")
def test_pages_are_framed_kept_and_told_of_by_nobody(flow):
    for name, page in fetch_all(flow).items():
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy, name
        assert "frame-ancestors 'none'" in policy
        assert "script-src" not in policy
        assert page.headers["X-Frame-Options"] == "DENY"
        assert page.headers["Referrer-Policy"] == "no-referrer"
        assert page.headers["Cache-Control"] == "no-store"
        assert page.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.promise("AS-06")
def test_pages_load_nothing_from_elsewhere_and_no_script(flow):
    for name, page in fetch_all(flow).items():
        assert "<script" not in page.text, name
        assert not re.search(r"\son\w+=", page.text)
        assert "<style" not in page.text
        assert " style=" not in page.text
        loaded = re.findall(r'(?:<link[^>]* href|src|action)="([^"]*)"', page.text)
        assert all(address.startswith(("/oauth/", "http://localhost/oauth/", "data:")) for address in loaded)
        css = flow.server.app.get(re.search(r'href="([^"]*css[^"]*)"', page.text)[1])
        assert css.content_type == "text/css"
        assert "url(" not in css.text
        assert "@import" not in css.text


@pytest.mark.promise("AS-06")
def test_what_a_form_is_answered_with_is_a_303_that_nobody_keeps(flow):
    consent = flow.show().form.submit("decision", value="allow")
    withdrawn = flow.sign_in().get("/oauth/applications").form.submit()
    for answer in (consent, withdrawn):
        assert answer.status_int == 303
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.body == b""


def test_names_and_descriptions_are_escaped_whatever_the_applications_jinja2_does(build):
    def configure(config):
        config.add_settings({"jinja2.autoescape": "false"})
        add_jinja2_renderer(config, ".jinja2", package=pyramid_oauthguard)

    flow = build_flow(build, {"scopes": f"read = {SCRIPT}\nwrite = {SCRIPT}"}, configure=configure)
    flow.people.user_name = lambda subject: SCRIPT
    client = flow.server.clients.create(
        SCRIPT, redirect_uris=["https://x.example/"], grants=["authorization_code"], scopes=["read"]
    )
    page = flow.show(client, redirect_uri=None, scope="read")
    assert "<script" not in page.text
    assert page.text.count("&lt;script&gt;") >= 4
    page.form.submit("decision", value="allow")
    assert "<script" not in flow.sign_in().get("/oauth/applications").text


def test_an_application_may_have_a_page_of_its_own(build, tmp_path):
    own = tmp_path / "templates"
    own.mkdir()
    own.joinpath("consent.jinja2").write_text(
        '{% extends "layout.jinja2" %}{% block content %}Ours: {{ client.name }}{% endblock %}'
    )

    def configure(config):
        config.override_asset(
            to_override="pyramid_oauthguard.server:templates/consent.jinja2", override_with=str(own / "consent.jinja2")
        )

    page = build_flow(build, configure=configure).show()
    assert "Ours: Web shop" in page.text
    assert "<main>" in page.text


def test_an_application_may_speak_another_language(build, tmp_path):
    folder = tmp_path / "locale" / "de" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    write_catalogue(folder / "pyramid_oauthguard.mo", {"Deny": "Verweigern", "“%(name)s”": "»%(name)s«"})

    def configure(config):
        config.add_translation_dirs(str(tmp_path / "locale"))
        config.set_locale_negotiator(lambda request: "de")

    page = build_flow(build, configure=configure).show()
    assert "<bdi>»Web shop«</bdi>" in page.text
    assert ">Verweigern</button>" in page.text
    assert '<html lang="de" dir="ltr">' in page.text


def test_below_a_prefix_the_pages_find_their_style(build):
    flow = build_flow(build, {"path": "/login/oauth"})
    page = flow.sign_in().get("/login/oauth/authorize", flow.ask())
    style = re.search(r'href="([^"]*css[^"]*)"', page.text)[1]
    assert style.startswith("/login/oauth/pages.css?v=")
    assert flow.server.app.get(style).status_int == 200
    assert page.form.action == "/login/oauth/authorize"


def test_an_application_with_a_default_permission_and_csrf_keeps_its_pages_open(build):
    def configure(config):
        from pyramid.session import SignedCookieSessionFactory

        config.set_session_factory(SignedCookieSessionFactory("x"))
        config.set_default_csrf_options(require_csrf=True)
        config.set_default_permission("nobody has it")

    flow = build_flow(build, configure=configure)
    assert flow.redeem(flow.allow())["access_token"]
    assert flow.server.app.get("/oauth/pages.css").status_int == 200


@pytest.mark.parametrize("path", ["/oauth/authorize", "/oauth/applications"])
def test_other_methods_are_refused(flow, path):
    assert flow.server.app.put(path, status=405).headers["Allow"] == "GET, HEAD, POST"


def test_a_storage_that_is_down_is_said_on_a_page(flow):
    page = flow.show()
    with sqlite3.connect(flow.server.file) as database:
        database.execute("ALTER TABLE oauth_clients RENAME TO gone")
        database.execute("ALTER TABLE oauth_consents RENAME TO gone_too")
    database.close()
    for answer in (
        flow.sign_in().get("/oauth/authorize", flow.ask(), status=503),
        page.form.submit("decision", value="allow", status=503),
        flow.sign_in().get("/oauth/applications", status=503),
    ):
        assert answer.content_type == "text/html"
        assert answer.headers["Retry-After"] == "5"
        assert "gone" not in answer.text


def write_catalogue(path, messages):
    """A compiled catalogue (gettext's .mo)."""
    import struct

    pairs = [
        (b"", b"Content-Type: text/plain; charset=UTF-8\n"),
        *((k.encode(), v.encode()) for k, v in sorted(messages.items())),
    ]
    ids, texts, offsets = b"", b"", []
    for key, text in pairs:
        offsets.append((len(ids), len(key), len(texts), len(text)))
        ids += key + b"\0"
        texts += text + b"\0"
    start = 28 + 16 * len(pairs)
    head = struct.pack("<7I", 0x950412DE, 0, len(pairs), 28, 28 + 8 * len(pairs), 0, 0)
    keys = b"".join(struct.pack("<2I", size, start + at) for at, size, _t, _s in offsets)
    values = b"".join(struct.pack("<2I", size, start + len(ids) + at) for _a, _b, at, size in offsets)
    path.write_bytes(head + keys + values + ids + texts)
