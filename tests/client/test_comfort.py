"""What makes the command easy for a person: first steps, questions, suggestions, completion, times, the QR code."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import time
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from playwright.sync_api import Browser

from pyramid_oauthguard.client.login.pages import Page
from pyramid_oauthguard.command.client.qr_code import draw
from pyramid_oauthguard.command.output import format_moment
from pyramid_oauthguard.command.run import Run
from pyramid_oauthguard.command.verbs import cli
from tests.client.browsers import build_jwt, start_login
from tests.client.issuers import ScriptedIssuer
from tests.client.terminal import Terminal, find_command, run_on_pty

TOKENS = {"access_token": "at-1", "token_type": "Bearer", "expires_in": 600, "refresh_token": "rt-1"}


def read_plain(seen: str) -> str:
    """What a terminal shows, without its colours."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen)


def test_the_help_begins_with_the_first_steps(terminal: Terminal) -> None:
    text = terminal.run("--help").out
    assert (
        text.index("Start here:") < text.index("oauthguard login") < text.index("Options:") < text.index("Exit status")
    )
    assert "Okta (" not in text
    assert "okta.com" in terminal.run("login", "--help").out


@pytest.mark.parametrize(
    ("words", "meant"), [(["logn"], "login"), (["inspct", "-"], "inspect"), (["login", "--isuer", "x"], "--issuer")]
)
def test_a_slip_is_answered_with_what_was_meant(terminal: Terminal, words: list[str], meant: str) -> None:
    ended = terminal.run(*words)
    assert ended.status == 1
    assert f"Did you mean '{meant}'? See oauthguard" in ended.err


def test_several_suggestions_are_one_sentence(terminal: Terminal) -> None:
    said = terminal.run("server", "client", "crate").err
    assert "Did you mean 'create' or 'rotate'? See oauthguard server client --help" in said


def test_a_profile_that_is_not_there_is_not_called_none(terminal: Terminal) -> None:
    said = terminal.run("whoami", OAUTHGUARD_ISSUER="http://127.0.0.1:9").err
    assert "profile default is not signed in at http://127.0.0.1:9" in said


def test_a_verb_like_no_other_gets_no_suggestion(terminal: Terminal) -> None:
    assert "mean" not in terminal.run("zzz").err


# ── with a login ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def signed_in(terminal: Terminal, scripted: ScriptedIssuer) -> Terminal:
    """A terminal with the login `work` at the scripted issuer."""
    scripted.answers["/token"] = TOKENS
    terminal.environ |= {"OAUTHGUARD_ISSUER": scripted.issuer, "OAUTHGUARD_CLIENT_ID": "cli"}
    with start_login(terminal, "--profile", "work") as login:
        login.come_back(code="c-1")
        assert login.end().status == 0
    terminal.environ.clear()
    return terminal


def test_a_login_shows_expiry_profile_and_the_next_step(terminal: Terminal, scripted: ScriptedIssuer) -> None:
    scripted.answers["/token"] = TOKENS
    terminal.environ |= {"OAUTHGUARD_ISSUER": scripted.issuer, "OAUTHGUARD_CLIENT_ID": "cli"}
    with start_login(terminal, "--profile", "work") as login:
        login.come_back(code="c-1")
        said = login.end().err
    assert re.search(
        r"^  expires  \d{4}-\d\d-\d\d \d\d:\d\d \w+, in 10 minutes; it is then renewed", said, re.MULTILINE
    )
    assert "\n  profile  work\n" in said
    assert "\n  next     oauthguard call" in said


def test_a_profile_that_does_not_exist_is_answered_with_the_one_that_looks_like_it(signed_in: Terminal) -> None:
    assert "did you mean work?" in signed_in.run("profiles", "use", "work2").err
    assert "did you mean work?" in signed_in.run("--profile", "wrk", "whoami").err
    assert "there are: work" in signed_in.run("profiles", "use", "zzz").err


def complete(terminal: Terminal, *words: str) -> list[str]:
    run = Run(environ={"OAUTHGUARD_HOME": str(terminal.home)})
    completer = ShellComplete(cli, {"obj": run}, "oauthguard", "_OAUTHGUARD_COMPLETE")
    return [item.value for item in completer.get_completions(list(words[:-1]), words[-1])]


def test_the_shell_completes_profiles_issuers_and_methods(signed_in: Terminal, scripted: ScriptedIssuer) -> None:
    assert complete(signed_in, "profiles", "use", "w") == ["work"]
    assert complete(signed_in, "token", "--profile", "") == ["work"]
    assert complete(signed_in, "login", "--issuer", "http") == [scripted.issuer]
    assert complete(signed_in, "login", "--issuer", "https://other") == []
    assert complete(signed_in, "call", "p") == ["POST", "PUT", "PATCH"]
    assert complete(signed_in, "login", "--auth-method", "n") == ["none"]


@pytest.mark.needs("bash")
@pytest.mark.parametrize(
    ("words", "completed"),
    [
        (["token", "--issuer", "http"], "http://127.0.0.1:{port}"),
        (["token", "--issuer", "http", ":"], "//127.0.0.1:{port}"),
        (["token", "--issuer", "http", "://127"], "//127.0.0.1:{port}"),
        (["token", "--issuer", "http", "://127.0.0.1", ":"], "{port}"),
        (["token", "--issuer", "=", "http", ":"], "//127.0.0.1:{port}"),
        (["token", "--profile", "="], "work"),
        (["call", "P"], "POST\nPUT\nPATCH"),
        (["profiles", "use", ""], "work"),
        (["insp"], "inspect"),
    ],
)
def test_bash_completes_issuers_although_it_splits_words_at_colons(
    signed_in: Terminal, scripted: ScriptedIssuer, words: list[str], completed: str
) -> None:
    quoted = " ".join(f"'{word}'" for word in ("oauthguard", *words))
    script = f"""
        eval "$(oauthguard completion bash)"
        COMP_WORDS=({quoted}) COMP_CWORD={len(words)} COMP_LINE='oauthguard {" ".join(words)}'
        COMP_POINT=${{#COMP_LINE}}
        _oauthguard_completion oauthguard
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    environ = signed_in.full_environ()
    environ["PATH"] = f"{Path(find_command()).parent}{os.pathsep}{environ['PATH']}"
    done = subprocess.run(["bash", "-c", script], env=environ, capture_output=True, text=True, check=False)
    port = scripted.issuer.rpartition(":")[2]
    assert (done.stdout.strip(), done.stderr) == (completed.format(port=port), "")


def test_the_shell_completes_files_where_a_file_is_expected(terminal: Terminal) -> None:
    for words in (
        ["check", "pro"],
        ["server", "key", "list", ""],
        ["token", "--ca-file", ""],
        ["inspect", "--token-file", ""],
    ):
        run = Run(environ={"OAUTHGUARD_HOME": str(terminal.home)})
        completer = ShellComplete(cli, {"obj": run}, "oauthguard", "_OAUTHGUARD_COMPLETE")
        assert {item.type for item in completer.get_completions(words[:-1], words[-1])} == {"file"}


@pytest.mark.parametrize("group", ["server", "server client", "server key", "server token", "server user"])
def test_the_list_of_the_verbs_of_a_group_cuts_no_sentence_off(terminal: Terminal, group: str) -> None:
    shown = terminal.run(*group.split(), COLUMNS="80").out
    assert [line for line in shown.splitlines() if line.startswith("  ") and line.endswith("...")] == []


# ── questions ────────────────────────────────────────────────────────────────────────────────────────────────────


def answer_questions(terminal: Terminal, *answers: str) -> str:
    """Run `login` with a terminal for input and output, and type an answer to each question. What a person sees."""
    ours, theirs = pty.openpty()
    environ = {**terminal.full_environ(), "TERM": "xterm", "COLUMNS": "200", "BROWSER": "true %s"}
    command = [find_command(), "login", "--timeout", "1s"]
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=terminal.cwd, env=environ, start_new_session=True
    )
    os.close(theirs)
    seen, left, deadline = b"", list(answers), time.monotonic() + 30
    while time.monotonic() < deadline and (process.poll() is None or select.select([ours], [], [], 0)[0]):
        if not select.select([ours], [], [], 0.2)[0]:
            continue
        try:
            seen += os.read(ours, 65536)
        except OSError:  # Linux: the other end is closed
            break
        if left and seen.endswith(b": "):
            os.write(ours, left.pop(0).encode() + b"\n")
    process.wait(10)
    os.close(ours)
    return seen.decode()


def test_a_login_on_a_terminal_asks_for_what_it_needs(terminal: Terminal, scripted: ScriptedIssuer) -> None:
    seen = answer_questions(terminal, scripted.issuer, "cli")
    assert seen.index("address of the authorization server") < seen.index("Issuer: ")
    assert seen.index("name of this program at that server") < seen.index("Client id: ")
    assert f"{scripted.issuer}/authorize?" in seen
    assert "client_id=cli" in seen
    assert "did not end in time" in seen


def test_a_script_is_not_asked(terminal: Terminal) -> None:
    ended = terminal.run("login")
    assert ended.status == 1
    assert "no issuer is known" in ended.err
    assert "Issuer:" not in ended.err


@pytest.mark.parametrize(
    ("written", "problem"), [("2h", "from 1s to 1h"), ("0", "from 1s to 1h"), ("soon", "duration")]
)
def test_a_time_is_written_as_people_write_it(terminal: Terminal, written: str, problem: str) -> None:
    ended = terminal.run("login", "--timeout", written)
    assert ended.status == 1
    assert problem in ended.err


@pytest.mark.parametrize(
    ("away", "ending"),
    [(600, "in 10 minutes"), (-90000, "1 day ago"), (5, "in less than a minute"), (7200, "in 2 hours")],
)
def test_a_moment_says_how_far_away_it_is(away: float, ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1_800_000_000.0)
    assert format_moment(1_800_000_000 + away).endswith(f", {ending}")
    assert format_moment(1e300) == f"{1e300:.0f}"
    assert format_moment(10**400) == str(10**400), "it is larger than any float"


# ── inspect ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("columns", ["40", "80"])
def test_inspect_never_cuts_a_value(terminal: Terminal, columns: str) -> None:
    long, name = "x" * 300, "https://example.com/claims/" + "n" * 80
    token = build_jwt({"iss": "https://i.test", "sub": long, name: "v", "exp": int(time.time()) + 600})
    _status, seen = run_on_pty(terminal, "inspect", "-", "--offline", stdin=token, COLUMNS=columns)
    plain = read_plain(seen)
    letters = "".join(plain.split())
    assert long in letters
    assert letters.count("n") >= 80
    assert "…" not in plain
    assert "in10minutes" in letters or "in9minutes" in letters


# ── the device's code, and the page in the browser ───────────────────────────────────────────────────────────────


def test_the_qr_code_is_square_and_has_two_dots_a_character() -> None:
    lines = draw("https://id.example.org/oauth/device?user_code=WDJB-MJHT")
    assert len({len(line) for line in lines}) == 1
    assert len(lines) == (len(lines[0]) + 1) // 2
    assert set("".join(lines)) <= set(" █▀▄")


def test_a_device_login_shows_the_code_on_a_terminal_only(terminal: Terminal, scripted: ScriptedIssuer) -> None:
    page = f"{scripted.issuer}/device"
    scripted.answers["/device_authorization"] = {
        "device_code": "dc-1", "user_code": "WDJB-MJHT", "verification_uri": page, "expires_in": 60, "interval": 1,
    }  # fmt: skip
    scripted.answers["/token"] = TOKENS
    terminal.environ |= {"OAUTHGUARD_ISSUER": scripted.issuer, "OAUTHGUARD_CLIENT_ID": "cli"}
    words = ("login", "--flow", "device")
    status, seen = run_on_pty(terminal, *words)
    assert status == 0
    assert draw(page)[5] in read_plain(seen)
    assert "█" not in terminal.run(*words).err
    for plain in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert "\x1b[97m" not in run_on_pty(terminal, *words, **plain)[1], "it was written in white on black"


@pytest.mark.promise("CL-03")
def test_the_page_in_the_browser_names_the_user_and_escapes_the_name() -> None:
    page = Page.DONE.render("<img src=x>\u202eann").decode()
    assert "You are signed in as &lt;img src=x&gt;\\u202eann" in page
    assert "<img" not in page
    assert len(Page.DONE.render("n" * 9999)) < 2000
    assert "signed in as" not in Page.DONE.render().decode()


@pytest.mark.slow
@pytest.mark.needs("chromium")
def test_a_long_name_does_not_make_the_page_wider_than_the_window(chromium: Browser) -> None:
    page = chromium.new_page(viewport={"width": 400, "height": 700})
    page.set_content(Page.DONE.render("n" * 9999).decode())
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.close()


@pytest.mark.promise("CL-03")
def test_the_browser_waits_for_the_name(terminal: Terminal, scripted: ScriptedIssuer) -> None:
    terminal.environ |= {"OAUTHGUARD_ISSUER": scripted.issuer, "OAUTHGUARD_CLIENT_ID": "cli"}
    scripted.answers |= {"/token": TOKENS, "/userinfo": {"sub": "7", "preferred_username": "ann"}}
    with start_login(terminal) as login:
        assert "You are signed in as ann" in login.come_back(code="c-1").text
        assert login.end().status == 0
    scripted.answers["/token"] = (400, {"error": "invalid_grant"})
    with start_login(terminal) as login:
        assert "did not work" in login.come_back(code="c-2").text
        assert login.end().status == 2
