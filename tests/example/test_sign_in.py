"""Signing in: a form without script, a signed cookie, and nothing another site can make of it."""

from __future__ import annotations

import base64
import os
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
import time_machine
from sqlalchemy import select
from webtest import TestApp as App
from webtest import TestResponse

from example_app import main
from example_app.database import open_session
from example_app.models import User
from example_app.views.sign_in import as_local_path
from pyramid_oauthguard.errors import SettingError
from pyramid_oauthguard.server.directives import IResourceOwner
from tests.example.conftest import build_settings, dispose
from tests.ground.test_secret_files import ODD

pytestmark = pytest.mark.slow


@pytest.fixture
def browser(app: App) -> Iterator[App]:
    """The application with a cookie jar of its own."""
    return App(app.app)


def submit(browser: App, name: str = "demo", password: str = "demo", next: str = "", **extra: str) -> TestResponse:  # noqa: A002  # the field's name
    form = browser.get("/sign-in", {"next": next} if next else None, extra_environ=extra).form
    form["name"] = name
    form["password"] = password
    return form.submit(status="*", extra_environ=extra)


def read_cookie(answer: TestResponse) -> str:
    return str(answer.headers["Set-Cookie"])


@pytest.mark.promise("AS-06")
def test_signing_in_answers_303_and_remembers_who(browser: App) -> None:
    answer = submit(browser, next="/oauth/authorize?client_id=a&state=%C3%A9")
    assert answer.status_int == 303
    assert answer.headers["Location"] == "http://localhost/oauth/authorize?client_id=a&state=%C3%A9"
    assert "HttpOnly" in read_cookie(answer)
    assert "SameSite=Lax" in read_cookie(answer)
    assert "signed in as <strong>demo</strong>" in browser.get("/").text


def test_over_https_the_cookie_is_secure_and_of_this_host_alone(browser: App) -> None:
    answer = submit(browser, **{"wsgi.url_scheme": "https", "HTTP_HOST": "localhost:443"})
    assert answer.status_int == 303
    cookie = read_cookie(answer)
    assert cookie.startswith("__Host-session=")
    assert "; secure" in cookie.lower()
    assert "; path=/" in cookie.lower()
    assert "domain" not in cookie.lower()


def test_below_a_mount_point_signing_in_and_out_stays_there(browser: App) -> None:
    environ = {"SCRIPT_NAME": "/shop"}
    answer = submit(browser, **environ)
    assert answer.headers["Location"] == "http://localhost/shop/"
    home = browser.get("/", extra_environ=environ)
    assert "signed in as" in home.text
    fields = home.forms["sign-out"].submit_fields()
    answer = browser.post("/sign-out", fields, extra_environ=environ)
    assert answer.headers["Location"] == "http://localhost/shop/"


def test_signing_out_forgets(browser: App) -> None:
    submit(browser)
    assert browser.get("/").forms["sign-out"].submit().status_int == 303
    assert "not signed in" in browser.get("/").text


def copy_cookies(browser: App) -> App:
    """Another browser with the same cookies, as who copied them has it."""
    copied = App(browser.app)
    for name, value in browser.cookies.items():
        copied.set_cookie(name, value)
    return copied


def test_signing_out_ends_a_copied_session(browser: App) -> None:
    """The cookie was all that there was of a session: a copy of it was good for eight more hours."""
    submit(browser)
    copied, later = copy_cookies(browser), copy_cookies(browser)
    other = App(browser.app)
    submit(other)
    assert "signed in as <strong>demo" in copied.get("/").text
    assert browser.get("/").forms["sign-out"].submit().status_int == 303
    for each in (browser, copied, later):
        assert "not signed in" in each.get("/").text
        assert each.get("/oauth/applications").headers["Location"].startswith("http://localhost/sign-in")
        assert each.get("/oauth/device").status_int == 303
    assert "signed in as <strong>demo" in other.get("/").text, "a session of another browser goes on"
    submit(browser)
    assert "not signed in" in later.get("/").text, "a new session does not bring the old one back"


def test_signing_in_again_ends_the_session_before(browser: App) -> None:
    submit(browser)
    copied = copy_cookies(browser)
    submit(browser)
    assert "not signed in" in copied.get("/").text
    assert "signed in as <strong>demo" in browser.get("/").text


def test_a_form_of_another_site_does_not_end_a_session(browser: App) -> None:
    submit(browser)
    copied = copy_cookies(browser)
    copied.post("/sign-out", {"csrf_token": "x"}, status=303)
    assert "signed in as <strong>demo" in browser.get("/").text


def test_a_session_ends_after_a_month_however_often_it_is_used(tmp_path: Path) -> None:
    made = main({}, **build_settings(tmp_path))
    browser = App(made)
    with time_machine.travel(1_800_000_000, tick=False) as clock:
        submit(browser)
        for _ in range(30 * 4):
            clock.shift(6 * 3600)
            assert "signed in as <strong>demo" in browser.get("/").text
        clock.shift(3600)
        assert "not signed in" in browser.get("/").text
        submit(browser)
    with sqlite3.connect(tmp_path / "customers.sqlite") as db:
        assert db.execute("SELECT count(*) FROM sign_ins").fetchone() == (1,), "the old one is deleted"
    db.close()
    dispose(made)


def test_the_database_has_nothing_to_sign_in_with(tmp_path: Path) -> None:
    made = main({}, **build_settings(tmp_path))
    browser = App(made)
    submit(browser)
    with sqlite3.connect(tmp_path / "customers.sqlite") as db:
        ((hashed, _user, _began),) = db.execute("SELECT * FROM sign_ins").fetchall()
    db.close()
    cookie = base64.urlsafe_b64decode(browser.cookies["session"] + "===")
    assert hashed.encode() not in cookie
    dispose(made)


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("demo", "wrong"),
        ("demo", ""),
        ("Demo", "demo"),
        ("nobody", "demo"),
        ("", ""),
        ("demo\0", "demo"),
        ("demo' --", "demo"),
        ("demo", "demo\0"),
        ("demo", "d" * 60_000),
    ],
)
def test_a_wrong_name_or_password_is_told_the_same(browser: App, name: str, password: str) -> None:
    answer = submit(browser, name, password)
    assert answer.status_int == 422
    assert "The name or the password is wrong." in answer.text
    assert password == "" or f'value="{password}"' not in answer.text
    assert "not signed in" in browser.get("/").text


def test_whoever_guesses_a_password_is_stopped_for_a_while(tmp_path: Path) -> None:
    made = main({}, **build_settings(tmp_path, **{"oauthguard.server.limits": "on"}))
    browser = App(made)
    assert [submit(browser, password=str(number)).status_int for number in range(11)] == [422] * 10 + [429]
    answer = submit(browser)
    assert answer.status_int == 429, "also with the right one"
    assert 0 < int(answer.headers["Retry-After"]) <= 60
    assert "Too many attempts" in answer.text
    assert submit(browser, REMOTE_ADDR="192.0.2.9").status_int == 303, "demo, elsewhere, is not kept out"
    dispose(made)


def test_what_was_typed_is_escaped(browser: App) -> None:
    answer = submit(browser, '"><script>alert(1)</script>', "x", next='/x?"><script>')
    assert "<script" not in answer.text


def test_a_form_without_our_token_changes_nothing(browser: App, app: App) -> None:
    fields = {"name": "demo", "password": "demo"}
    assert browser.post("/sign-in", fields, status=400).form["name"].value == "demo"
    other = App(app.app).get("/sign-in").form["csrf_token"].value
    assert browser.post("/sign-in", {**fields, "csrf_token": other}, status=400)
    assert "not signed in" in browser.get("/").text
    submit(browser)
    browser.post("/sign-out", {"csrf_token": ""}, status=303)
    assert "signed in as <strong>demo" in browser.get("/").text


def test_a_session_prepared_by_somebody_else_is_not_kept(browser: App) -> None:
    browser.get("/sign-in")
    before = browser.cookies["session"]
    token = browser.get("/sign-in").form["csrf_token"].value
    submit(browser)
    assert browser.cookies["session"] != before
    assert browser.get("/").forms["sign-out"]["csrf_token"].value != token


def test_a_changed_cookie_is_nobody(browser: App) -> None:
    submit(browser)
    good = browser.cookies["session"]
    for bad in (good[:-1], ("B" if good[0] == "A" else "A") + good[1:], good[::-1], "", "x" * 3000):
        stranger = App(browser.app)
        answer = stranger.get("/", headers={"Cookie": f"session={bad}"})
        assert "not signed in" in answer.text


@pytest.mark.parametrize(
    "target",
    ["//evil.example", "/\\evil.example", "\\\\evil.example", "https://evil.example", "javascript:alert(1)", "/\t/evil.example", "/\n/evil.example", "/ok\r\nX: y", "evil", " /", "/é", "", None],
)  # fmt: skip
def test_after_signing_in_nobody_is_sent_elsewhere(target: str | None) -> None:
    assert as_local_path(target) == "/"


@pytest.mark.parametrize(
    "target",
    ["/", "/oauth/authorize?a=b&redirect_uri=https%3A%2F%2Fclient.example%2Fcb", "/oauth/device?user_code=AB-CD"],
)
def test_after_signing_in_the_way_goes_on(target: str) -> None:
    assert as_local_path(target) == target


@pytest.mark.promise("AS-06")
@pytest.mark.parametrize("path", ["/", "/sign-in"])
def test_the_pages_are_framed_cached_and_followed_by_nobody(browser: App, path: str) -> None:
    answer = browser.get(path)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"
    scripts = re.findall(r"<script[^>]*>", answer.text)
    assert scripts == (['<script src="/static/tour.js" defer>'] if path == "/" else [])
    assert not re.search(r"""(?:src|href|action)=.?(?:https?:)?//""", answer.text)  # nothing from another host


def test_passwords_are_kept_as_argon2id(tmp_path: Path) -> None:
    dispose(main({}, **build_settings(tmp_path)))
    with sqlite3.connect(tmp_path / "customers.sqlite") as db:
        rows = db.execute("SELECT name, password_hash, id FROM users").fetchall()
    db.close()
    assert [(name, stored.split("$")[1]) for name, stored, _ in rows] == [("demo", "argon2id")]
    assert rows[0][2] not in {"demo", "customer-manager", "customer-cli"}


def test_the_session_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    dispose(main({}, **build_settings(tmp_path)))
    key = tmp_path / "session.key"
    first = key.read_text()
    assert len(first) > 40
    assert key.stat().st_mode & 0o777 == 0o600
    dispose(main({}, **build_settings(tmp_path)))
    assert key.read_text() == first


def test_a_user_who_is_gone_is_active_no_more(tmp_path: Path) -> None:
    app = main({}, **build_settings(tmp_path))
    owner = app.registry.getUtility(IResourceOwner)
    with open_session(app.registry) as db:
        user = db.scalars(select(User)).one()
        assert owner.is_active(user.id)
        assert owner.user_name(user.id) == "demo"
        assert not owner.is_active("nobody")
        db.delete(user)
        db.commit()
        assert not owner.is_active(user.id)
    dispose(app)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", sorted(ODD))
def test_a_session_key_that_is_no_key_stops_start_up(tmp_path: Path, kind: str) -> None:
    """With a known key, anybody can make a session."""
    path = tmp_path / "session.key"
    build, said = ODD[kind]
    build(path)
    with pytest.raises(SettingError) as caught:
        main({}, **build_settings(tmp_path))
    assert caught.value.key == "example.session_secret_file"
    assert said in caught.value.problem
    assert str(path) in caught.value.hint


def test_a_session_key_that_is_short_or_no_text_stops_start_up(tmp_path: Path) -> None:
    for content, said in (
        (b"abcdefgh-0123456789", "fewer than 32 characters"),
        (b"\xff\xfe" + bytes(range(60)), "not UTF-8"),
    ):
        (tmp_path / "session.key").write_bytes(content)
        with pytest.raises(SettingError, match=said):
            main({}, **build_settings(tmp_path))


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_databases_and_folders_are_their_owners_alone(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        made = main({}, **build_settings(tmp_path / "var" / "data"))
        submit(App(made))
    finally:
        os.umask(before)
    found = {path.relative_to(tmp_path).as_posix(): path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    assert found.pop("var") == found.pop("var/data") == 0o700
    found.pop("var/data/.gitignore")
    assert {"var/data/customers.sqlite", "var/data/customers.sqlite-wal", "var/data/oauth.sqlite"} <= found.keys()
    assert set(found.values()) == {0o600}
    dispose(made)


def test_a_database_of_before_is_closed_to_others(tmp_path: Path) -> None:
    dispose(main({}, **build_settings(tmp_path)))
    for path in tmp_path.glob("*.sqlite"):
        path.chmod(0o644)
    dispose(main({}, **build_settings(tmp_path)))
    assert {path.stat().st_mode & 0o777 for path in tmp_path.glob("*.sqlite*")} == {0o600}
