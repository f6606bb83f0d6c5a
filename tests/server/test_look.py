"""What an application adds to the look of the pages: its name, home page, style sheet and logo."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pyramid.exceptions import ConfigurationExecutionError

from pyramid_oauthguard.server.consent.naming import show_name
from tests.server.conftest import Build
from tests.server.flows import Flow, build_flow

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@pytest.fixture
def dressed(build: Build, tmp_path: Path) -> Flow:
    (tmp_path / "look.css").write_text(":root { --oauthguard-accent: #c0006a; }")
    (tmp_path / "logo.SVG").write_bytes(SVG)
    settings = {
        "pages.name": "Example & Sons",
        "pages.home": "https://www.example.com/account",
        "pages.stylesheet": str(tmp_path / "look.css"),
        "pages.logo": str(tmp_path / "logo.SVG"),
    }
    return build_flow(build, settings)


def list_pages(flow: Flow) -> list[Any]:
    browser = flow.sign_in()
    return [
        browser.get("/oauth/authorize", flow.ask()),
        browser.get("/oauth/applications"),
        browser.get("/oauth/device"),
        browser.get("/oauth/authorize", status=400),
    ]


def test_every_page_has_the_name_the_logo_and_both_style_sheets_in_this_order(dressed: Flow) -> None:
    for page in list_pages(dressed):
        ours, theirs = [link["href"] for link in page.html.select("link[rel=stylesheet]")]
        assert ours.startswith("/oauth/pages.css?v=")
        assert theirs.startswith("/oauth/theme.css?v=")
        assert dressed.server.app.get(theirs).text == ":root { --oauthguard-accent: #c0006a; }"
        (logo,) = page.html.select("header img")
        assert logo["alt"] == "Example & Sons"
        assert dressed.server.app.get(logo["src"]).body == SVG
        assert page.html.title.text.endswith(" · Example & Sons")


def test_files_are_kept_for_an_hour_and_their_addresses_change_with_them(dressed: Flow) -> None:
    page = dressed.show()
    for address in (page.html.select("link")[1]["href"], page.html.select("img")[0]["src"]):
        answer = dressed.server.app.get(address)
        assert answer.headers["Cache-Control"] == "max-age=3600"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert dressed.server.app.get(address, headers={"If-None-Match": answer.headers["ETag"]}).status_int == 304


def test_a_logo_with_script_runs_none_and_is_sent_as_an_image(dressed: Flow) -> None:
    answer = dressed.server.app.get("/oauth/site-logo")
    assert answer.content_type == "image/svg+xml"
    policy = answer.headers["Content-Security-Policy"]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; sandbox"


def test_pages_may_load_images_and_fonts_of_their_own_site(dressed: Flow) -> None:
    for page in list_pages(dressed):
        policy = page.headers["Content-Security-Policy"].split("; ")
        assert "img-src 'self' data:" in policy
        assert "font-src 'self'" in policy
        assert not [part for part in policy if part.startswith("script-src")]


def test_without_these_settings_there_is_nothing_to_load(build: Build) -> None:
    flow = build_flow(build)
    assert not flow.show().html.select("header, img")
    flow.server.app.get("/oauth/theme.css", status=404)
    flow.server.app.get("/oauth/site-logo", status=404)


def test_an_asset_of_a_package_may_be_the_style_sheet(build: Build) -> None:
    flow = build_flow(build, {"pages.stylesheet": "pyramid_oauthguard.server:static/pages.css"})
    assert "--oauthguard-accent" in flow.server.app.get("/oauth/theme.css").text


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("stylesheet", "nowhere.css", "can't be read (name a file, such as /etc/myapp/look.css"),
        ("stylesheet", "no_such_package:look.css", "can't be read"),
        ("stylesheet", "look.txt", "must end in .css"),
        ("logo", "look.txt", "must end in .svg or .png"),
        ("logo", "big.png", "has more than 1048576 bytes"),
        ("home", "//evil.example", "must be a path such as /account or a URL"),
        ("home", "javascript:alert(1)", "must be a path such as /account or a URL"),
    ],
)
def test_what_can_not_be_used_stops_start_up(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str, value: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "look.txt").write_text("")
    (tmp_path / "big.png").write_bytes(bytes(2**20 + 1))
    with pytest.raises(ConfigurationExecutionError) as caught:
        build_flow(build, {f"pages.{key}": value})
    assert f"oauthguard.server.pages.{key}: " in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Shop\u202e moc.live", "Shop moc.live"),
        ("A\r\nB\u2028C", "A B C"),
        ("\u200b\ufeff", "–"),
        ("<b>Bold</b>", "<b>Bold</b>"),
        ("ショップ", "ショップ"),
    ],
)
def test_a_name_has_no_invisible_characters(name: str, shown: str) -> None:
    assert show_name(name) == shown


def test_a_clients_name_is_set_apart_from_the_text(build: Build) -> None:
    flow = build_flow(build)
    where, name = "https://x.example/", "<b>Allow everything</b>"
    client = flow.server.clients.create(name, redirect_uris=[where], grants=["authorization_code"], scopes=["read"])
    page = flow.show(client, redirect_uri=where, scope="read")
    assert '<p class="name"><bdi>“&lt;b&gt;Allow everything&lt;/b&gt;”</bdi></p>' in page.text
    assert "<title>Allow “&lt;b&gt;Allow everything&lt;/b&gt;”?</title>" in page.text
    assert page.html.h1.text == "Allow this application?"


def test_the_users_name_can_not_change_the_text_around_it_either(build: Build) -> None:
    flow = build_flow(build)
    flow.people.user_name = lambda subject: "Anna\u202e <i>"  # type: ignore[method-assign]
    assert "You are signed in as <strong><bdi>Anna &lt;i&gt;</bdi></strong>." in flow.show().text
