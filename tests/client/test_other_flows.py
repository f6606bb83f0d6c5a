"""oauthguard login without a browser here: the device flow, and a pasted address."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import pytest
from playwright.sync_api import Browser

from tests.client.browsers import Login, start_login, wait_for
from tests.client.issuers import Asked, ScriptedIssuer, run_foreign
from tests.client.terminal import Answered, Terminal

pytestmark = pytest.mark.slow

TOKENS = {"access_token": "access-0123456789", "token_type": "Bearer", "expires_in": 600}
PENDING = (400, {"error": "authorization_pending"})
SLOW_DOWN = (400, {"error": "slow_down"})
GRANT = "urn:ietf:params:oauth:grant-type:device_code"


@pytest.fixture
def public(terminal: Terminal, scripted: ScriptedIssuer) -> Terminal:
    terminal.environ |= {"OAUTHGUARD_ISSUER": scripted.issuer, "OAUTHGUARD_CLIENT_ID": "cli"}
    scripted.answers["/userinfo"] = {"sub": "ann"}
    scripted.answers["/device_authorization"] = device(scripted)
    return terminal


def device(scripted: ScriptedIssuer, **changes: object) -> dict[str, object]:
    return {
        "device_code": "device-0123456789",
        "user_code": "WDJB-MJHT",
        "verification_uri": f"{scripted.issuer}/device",
        "expires_in": 60,
        "interval": 1,
        **changes,
    }


@contextmanager
def start_without_browser(
    terminal: Terminal, *args: str, **environ: str
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """``login`` up to the address that it shows: the process, and that address."""
    process = terminal.start("login", *args, **environ)
    assert process.stderr
    try:
        shown = ""
        while not shown.startswith("  http"):
            shown = process.stderr.readline()
            assert shown, "ended without an address"
        yield process, shown.strip()
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def finish(process: subprocess.Popen[str], stdin: str | None = None) -> Answered:
    out, err = process.communicate(stdin, timeout=30)
    return Answered(process.returncode, out, err)


# ── device ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.promise("CL-05")
def test_device_waits_as_long_as_the_server_wants(public: Terminal, scripted: ScriptedIssuer) -> None:
    polled: list[float] = []
    answers = [PENDING, SLOW_DOWN, PENDING, TOKENS]

    def answer(asked: Asked) -> object:
        assert asked.form == {"grant_type": GRANT, "device_code": "device-0123456789", "client_id": "cli"}
        polled.append(time.monotonic())
        return answers[len(polled) - 1]

    scripted.answers["/token"] = answer
    ended = public.run("login", "--flow", "device", "--scope", "a")
    assert ended.status == 0
    assert "WDJB-MJHT" in ended.err
    assert f"{scripted.issuer}/device" in ended.err
    assert "Signed in as ann.\n" in ended.err
    assert "device-0123456789" not in ended.err
    gaps = [later - earlier for earlier, later in pairwise(polled)]
    assert 1 <= gaps[0] < 4
    assert gaps[1] >= 6  # one second and five more, and for all further requests
    assert gaps[2] >= 6


@pytest.mark.promise("CL-05")
@pytest.mark.parametrize(
    ("answer", "status"),
    [("access_denied", 3), ("expired_token", 4), ("invalid_grant", 2), ("invalid_client", 2)],
)
def test_device_refusals(public: Terminal, scripted: ScriptedIssuer, answer: str, status: int) -> None:
    scripted.answers["/token"] = (400, {"error": answer})
    ended = public.run("login", "--flow", "device")
    assert ended.status == status
    assert scripted.count("/token") == 1


@pytest.mark.promise("CL-05")
def test_device_code_that_expires_is_not_polled_any_more(public: Terminal, scripted: ScriptedIssuer) -> None:
    scripted.answers["/token"] = PENDING
    scripted.answers["/device_authorization"] = device(scripted, expires_in=3)
    started = time.monotonic()
    assert public.run("login", "--flow", "device").status == 4
    assert time.monotonic() - started < 10
    assert scripted.count("/token") <= 3


@pytest.mark.promise("CL-05")
def test_device_default_interval_is_five_seconds(public: Terminal, scripted: ScriptedIssuer) -> None:
    scripted.answers["/token"] = TOKENS
    body = device(scripted)
    del body["interval"]
    scripted.answers["/device_authorization"] = body
    started = time.monotonic()
    assert public.run("login", "--flow", "device").status == 0
    assert time.monotonic() - started >= 5


def test_device_outlives_a_hiccup_of_the_server(public: Terminal, scripted: ScriptedIssuer) -> None:
    scripted.answers["/token"] = [(503, {}), (200, b"<html>"), TOKENS]
    assert public.run("login", "--flow", "device").status == 0


def test_device_names_the_outage_that_lasted_to_the_end(public: Terminal, scripted: ScriptedIssuer) -> None:
    """The command said that the code was not entered, which nobody knew."""
    scripted.answers["/token"] = [PENDING, (503, {})]
    scripted.answers["/device_authorization"] = device(scripted, expires_in=5)
    ended = public.run("login", "--flow", "device")
    assert ended.status == 6
    assert ended.err.endswith(f"oauthguard: {scripted.issuer}/token answered 503; try again later\n")


def test_device_shows_the_servers_own_words_about_a_denial(public: Terminal, scripted: ScriptedIssuer) -> None:
    scripted.answers["/token"] = (400, {"error": "access_denied", "error_description": "not assigned\x1b[2J"})
    ended = public.run("login", "--flow", "device")
    assert ended.status == 3
    assert ended.err.splitlines()[-2:] == [
        "The server says: not assigned\\x1b[2J",
        "oauthguard: access was denied on the other device",
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"verification_uri": "http://phishing.example/device"},
        {"verification_uri": "javascript:alert(1)"},
        {"verification_uri": None},
        {"verification_uri_complete": "http://phishing.example/device?c=1"},
        {"user_code": 5},
        {"device_code": ""},
        {"expires_in": None},
        {"expires_in": -1},
    ],
)
def test_device_answers_that_are_none(public: Terminal, scripted: ScriptedIssuer, changes: dict[str, object]) -> None:
    scripted.answers["/device_authorization"] = device(scripted, **changes)
    ended = public.run("login", "--flow", "device")
    assert ended.status == 6
    assert scripted.count("/token") == 0


def test_hostile_user_code_does_not_steer_the_terminal(public: Terminal, scripted: ScriptedIssuer) -> None:
    scripted.answers["/device_authorization"] = device(scripted, user_code="\x1b[2J\nfake", expires_in=1)
    ended = public.run("login", "--flow", "device")
    assert "\x1b" not in ended.err
    assert "\nfake" not in ended.err


@pytest.mark.needs("node", "npm", "chromium")
@pytest.mark.promise("CL-05")
def test_device_flow_at_a_foreign_server(terminal: Terminal, chromium: Browser) -> None:
    with run_foreign() as issuer:
        terminal.environ |= {"OAUTHGUARD_ISSUER": issuer, "OAUTHGUARD_CLIENT_ID": "cli"}
        process = terminal.start("login", "--flow", "device", "--scope", "openid offline_access profile")
        assert process.stderr
        words = ""
        while not (found := re.search(r"Or open (\S+) and", words)):
            line = process.stderr.readline()
            assert line, words
            words += line
        page = chromium.new_context().new_page()
        page.goto(found[1])
        page.click("button[type=submit]")  # the code is right
        page.fill("input[name=login]", "ann")
        page.fill("input[name=password]", "any")
        page.click("button[type=submit]")
        page.click("button[type=submit]")  # consent
        ended = finish(process)
        assert ended.status == 0
        assert "Signed in as ann.\n" in ended.err
        page.context.close()
        assert terminal.run("whoami").out == "ann\n"


# ── which flow ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_auto_takes_the_browser_where_there_is_one(public: Terminal, scripted: ScriptedIssuer) -> None:
    scripted.answers["/token"] = TOKENS
    with start_login(public, "--flow", "auto") as login:
        login.come_back(code="c-1")
        assert login.end().status == 0
    assert scripted.count("/device_authorization") == 0


@pytest.mark.parametrize(
    "environ", [{}, {"SSH_CONNECTION": "1 2 3 4", "DISPLAY": ":0"}, {"SSH_TTY": "/dev/pts/9", "WAYLAND_DISPLAY": "w"}]
)
def test_auto_without_a_browser_takes_the_device_flow(
    public: Terminal, scripted: ScriptedIssuer, environ: dict[str, str]
) -> None:
    scripted.answers["/token"] = TOKENS
    ended = public.run("login", **environ)
    assert ended.status == 0
    assert "WDJB-MJHT" in ended.err


@pytest.mark.parametrize("how", ["not offered", "not for this client"])
def test_auto_without_either_asks_for_the_address(public: Terminal, scripted: ScriptedIssuer, how: str) -> None:
    scripted.answers["/token"] = TOKENS
    if how == "not offered":
        document = scripted.metadata(device_authorization_endpoint=None)
        scripted.answers["/.well-known/oauth-authorization-server"] = document
    else:
        scripted.answers["/device_authorization"] = (400, {"error": "unauthorized_client"})
    with start_without_browser(public) as (process, url):
        state = Login(process, url).state
        ended = finish(process, f"http://127.0.0.1:1/callback?code=c-1&state={state}\n")
        assert ended.status == 0


# ── paste ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_paste_takes_the_address_after_others_that_are_not_it(public: Terminal, scripted: ScriptedIssuer) -> None:
    scripted.answers["/token"] = TOKENS
    with start_without_browser(public, "--flow", "paste") as (process, url):
        login = Login(process, url)
        lines = [
            "",
            "nonsense",
            "http://[::1",
            "http://127.0.0.1/callback?code=evil&state=forged",
            "http://127.0.0.1/callback?error=access_denied",
            url,
            f"  {login.redirect_uri}?code=c-good&state={login.state}  ",
        ]
        ended = finish(process, "\n".join(lines) + "\n")
    assert ended.status == 0
    assert [asked.form["code"] for asked in scripted.asked if asked.path == "/token"] == ["c-good"]
    assert ended.err.count("That is not the address") >= 4


def test_paste_goes_on_listening(public: Terminal, scripted: ScriptedIssuer) -> None:
    scripted.answers["/token"] = TOKENS
    with start_without_browser(public, "--flow", "paste") as (process, url):
        assert process.stdin
        process.stdin.write("nonsense\n")
        process.stdin.flush()
        Login(process, url).come_back(code="c-1")
        ended = finish(process)
    assert ended.status == 0


def test_paste_with_nothing_to_read_goes_on_listening(public: Terminal, scripted: ScriptedIssuer) -> None:
    scripted.answers["/token"] = TOKENS
    with start_without_browser(public, "--flow", "paste") as (process, url):
        assert process.stdin
        process.stdin.close()
        process.stdin = None
        time.sleep(0.3)
        Login(process, url).come_back(code="c-1")
        assert finish(process).status == 0


def test_paste_of_a_denial(public: Terminal) -> None:
    with start_without_browser(public, "--flow", "paste") as (process, url):
        login = Login(process, url)
        ended = finish(process, f"{login.redirect_uri}?error=access_denied&state={login.state}\n")
    assert ended.status == 3


def test_paste_of_another_issuers_answer(public: Terminal) -> None:
    with start_without_browser(public, "--flow", "paste") as (process, url):
        login = Login(process, url)
        ended = finish(process, f"{login.redirect_uri}?code=c&iss=https%3A%2F%2Fevil.example&state={login.state}\n")
    assert ended.status == 2


def test_browser_in_the_working_directory_is_not_run(public: Terminal, scripted: ScriptedIssuer) -> None:
    scripted.answers["/token"] = TOKENS
    (public.cwd / "webbrowser.py").write_text("open('owned', 'w')\n")
    with start_login(public) as login:
        login.come_back(code="c-1")
        assert login.end().status == 0
    wait_for(lambda: not (public.cwd / "owned").exists())
