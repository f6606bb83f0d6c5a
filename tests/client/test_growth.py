"""Text from folders, APIs, issuers, browsers and the command line is read in linear time by the command."""

from __future__ import annotations

import io
import json
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click
import pytest

from pyramid_oauthguard.client.challenge import find_bearer_challenge
from pyramid_oauthguard.client.errors import CommandError
from pyramid_oauthguard.client.inspection import Jwt, Wanted, inspect_claims, read_jwt
from pyramid_oauthguard.client.login import loopback
from pyramid_oauthguard.client.login.attempt import Attempt
from pyramid_oauthguard.client.login.ending import Ending
from pyramid_oauthguard.client.storage.credentials import read_token
from pyramid_oauthguard.client.storage.dotenv import read_dotenv
from pyramid_oauthguard.client.text import clean, shorten
from pyramid_oauthguard.client.transport import check_answer
from pyramid_oauthguard.command.client.inspect import _write_table
from pyramid_oauthguard.command.client.sign_in import _find_query
from pyramid_oauthguard.command.main import _describe_usage
from pyramid_oauthguard.command.output import Console
from pyramid_oauthguard.fetch import Answer
from tests.growing import assert_linear

pytestmark = pytest.mark.slow

Make = Callable[[int], str]

# What makes a careless regular expression or parser go back: runs, unfinished pairs, and near misses.
SHAPES: dict[str, Make] = {
    "one word": lambda n: "a" * n,
    "blanks": lambda n: "a" + " " * n + "b",
    "blanks in many": lambda n: "a  " * (n // 3),
    "double quotes": lambda n: '"' * n,
    "quotes and blanks": lambda n: '" ' * (n // 2),
    "quotes and comments": lambda n: '" #' * (n // 3),
    "escaped quotes": lambda n: '"' + '\\"' * (n // 2),
    "backslashes": lambda n: '"' + "\\" * n,
    "open strings": lambda n: 'a="' * (n // 3),
    "equals signs": lambda n: "=" * n,
    "quoted parameters": lambda n: 'a="b", ' * (n // 7),
    "commas": lambda n: "," * n,
    "begun JWTs": lambda n: "eyJ" * (n // 3),
    "begun JWTs with dots": lambda n: "eyJ." * (n // 4),
    "controls": lambda n: "\x1b[" * (n // 2),
    "line ends": lambda n: "\n" * n,
    "percent signs": lambda n: "%" * n,
    "openings": lambda n: "[" * n,
    "digits": lambda n: "9" * n,
    "colons": lambda n: ":" * n,
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("before", ["OAUTHGUARD_SCOPE=", 'OAUTHGUARD_SCOPE="', "export "])
def test_dotenv_is_read_in_linear_time(tmp_path: Path, before: str, shape: str) -> None:
    def write(size: int) -> Path:
        path = tmp_path / str(size)
        path.write_text(before + SHAPES[shape](size) + "\n")
        return path

    assert_linear(write, read_dotenv, size=30_000)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("before", ["Bearer ", 'Bearer error="'])
def test_a_challenge_is_read_in_linear_time(before: str, shape: str) -> None:
    assert_linear(lambda n: [before + SHAPES[shape](n)], find_bearer_challenge, size=30_000)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("run", [clean, shorten, Console().redact], ids=["clean", "shorten", "redact"])
def test_text_is_made_safe_for_a_terminal_in_linear_time(run: Callable[[str], str], shape: str) -> None:
    assert_linear(SHAPES[shape], run, size=100_000)


@pytest.mark.parametrize("shape", SHAPES)
def test_an_answer_is_shown_on_a_terminal_in_linear_time(shape: str) -> None:
    console = Console()

    def show(text: str) -> None:
        with on_a_terminal():
            console.write_body(json.dumps({"a": text, text: ["b"]}).encode(), "application/json")
            console.write_body(text.encode(), "application/json")
            _write_table(console, Jwt({"alg": text}, {text: text}, b"", b""), [])

    assert_linear(SHAPES[shape], show, size=10_000)


@pytest.mark.parametrize(
    "make",
    [
        lambda n: list(range(n)),
        lambda n: [{"a": each} for each in range(n)],
        lambda n: {f"{each}": each for each in range(n)},
        lambda n: [[[[[each]]]] for each in range(n)],
    ],
    ids=["list", "objects", "members", "nested"],
)
def test_json_is_shown_on_a_terminal_in_linear_time(make: Callable[[int], Any]) -> None:
    def show(value: Any) -> None:
        with on_a_terminal():
            Console().write_body(json.dumps(value).encode(), "application/json")

    assert_linear(make, show, size=40_000)


def test_deep_json_is_not_indented_on_a_terminal() -> None:
    """Each line would be as long as the nesting is deep."""
    for depth in (101, 900, 100_000):
        body = b"[" * depth + b"]" * depth
        with on_a_terminal() as seen:
            Console().write_body(body, "application/json")
        assert seen.getvalue() == body.decode() + "\n"


@contextmanager
def on_a_terminal() -> Iterator[io.StringIO]:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Screen()
    before, sys.stdout = sys.stdout, screen
    try:
        yield screen
    finally:
        sys.stdout = before


@pytest.mark.parametrize("shape", SHAPES)
def test_what_was_typed_is_masked_in_linear_time(shape: str) -> None:
    assert_linear(lambda n: click.UsageError(SHAPES[shape](n)), _describe_usage, size=50_000)


@pytest.mark.parametrize("word", ["eyJhbGciOi.x.y", "xeyJhbGciOi.x.y", "--issuer=eyJhbGciOi.e30.AA-_", "'eyJ.eyJ.'"])
def test_what_was_typed_is_masked(word: str) -> None:
    assert "eyJ" not in _describe_usage(click.UsageError(f"No such option: {word} (Possible options: --token-file)"))


WANTED = Wanted(issuer="a", audience="b", scope="c d")


@pytest.mark.parametrize("shape", SHAPES)
def test_a_token_is_read_and_inspected_in_linear_time(shape: str) -> None:
    def read(text: str) -> None:
        for token in (text, f"Bearer {text}", "{" + text, json.dumps({"access_token": text})):
            with suppress(CommandError):
                read_token(token, "-")
        for token in (text, f"{text}.{text}.{text}"):
            with suppress(CommandError):
                read_jwt(token)
        claims = dict.fromkeys(("iss", "aud", "exp", "nbf", "scope"), text)
        list(inspect_claims(Jwt({"alg": text, "typ": text, "crit": [text]}, claims, b"", b""), WANTED))

    assert_linear(SHAPES[shape], read, size=10_000)


@pytest.mark.parametrize("shape", SHAPES)
def test_an_error_response_is_described_in_linear_time(shape: str) -> None:
    def describe(text: str) -> None:
        for code in (text, "invalid_grant"):
            with suppress(CommandError):
                answer = Answer(400, {"retry-after": text}, {"error": code, "error_description": text})
                check_answer(answer, "https://issuer.example/token")

    assert_linear(SHAPES[shape], describe, size=100_000)


ATTEMPT = Attempt(
    issuer="https://issuer.example",
    iss_required=True,
    redirect_uri="http://127.0.0.1:1/callback",
    state="s" * 43,
    verifier="v",
)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_pasted_address_is_read_in_linear_time(shape: str) -> None:
    def read(text: str) -> None:
        with suppress(CommandError):
            ATTEMPT.read_answer(_find_query(text))
            ATTEMPT.read_answer(_find_query(f"http://127.0.0.1:1/callback?{text}"))
            ATTEMPT.read_answer(f"state={ATTEMPT.state}&iss=https://issuer.example&error={text}")

    assert_linear(SHAPES[shape], read, size=30_000)


@pytest.mark.parametrize("where", ["path", "query", "method", "header", "header name", "continued", "headers", "host"])
@pytest.mark.parametrize(
    "shape", ["one word", "blanks", "quotes and blanks", "colons", "percent signs", "equals signs"]
)
def test_a_request_to_the_listener_is_read_in_linear_time(shape: str, where: str) -> None:
    """http.server bounds a line at 65,536 bytes and the headers at 100."""
    text = {
        "path": "GET /{} HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n",
        "query": "GET /callback?{} HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n",
        "method": "{} /callback HTTP/1.1\r\n\r\n",
        "header": "GET /callback HTTP/1.1\r\nX: {}\r\nHost: 127.0.0.1:1\r\n\r\n",
        "header name": "GET /callback HTTP/1.1\r\n{}: x\r\nHost: 127.0.0.1:1\r\n\r\n",
        "continued": "GET /callback HTTP/1.1\r\nX: a\r\n {}\r\nHost: 127.0.0.1:1\r\n\r\n",
        "host": "GET /callback HTTP/1.1\r\nHost: {}\r\n\r\n",
        "headers": "GET /callback HTTP/1.1\r\n" + "A: {0}\r\n" * 3 + "\r\n",
    }[where]
    assert_linear(lambda n: text.format(SHAPES[shape](n)).encode(), receive, size=30_000)


def receive(data: bytes) -> None:
    """What the listener does with one connection on which ``data`` came."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for each in (ours, theirs):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1_048_576)
        theirs.sendall(data)
        theirs.shutdown(socket.SHUT_WR)
        loopback._Handler(ours, ("127.0.0.1", 1), LISTENER)  # type: ignore[arg-type]  # all that it needs of a server


class Listener:
    answers: loopback.Answers = loopback.queue.SimpleQueue()
    desk = loopback._Desk(ATTEMPT, answers, {"127.0.0.1:1"}, Ending())


LISTENER = Listener()
