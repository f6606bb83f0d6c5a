"""What log lines say beside the message: each on one line, and nothing that a caller chose can add another."""

from __future__ import annotations

import json
import logging
import logging.config
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from pyramid.registry import Registry
from pyramid.request import Request
from pyramid.threadlocal import manager

from pyramid_oauthguard.logs import JSONFormatter, TextFormatter, install
from pyramid_oauthguard.logs.marking import escape, note_client, note_issuer

HOSTILE = "a\nb\r\nERROR forged\x0b\x1b[31m\u2028\x85\x00\ud800"


@pytest.fixture
def request_() -> Iterator[Request]:
    request = Request.blank("/customers/7", headers={"X-Request-Id": "proxy-1"})
    request.registry = Registry()
    request.registry.settings = {"oauthguard.issuer": "https://id.example", "oauthguard.server.issuer": "https://own"}
    manager.push({"request": request, "registry": request.registry})
    yield request
    manager.pop()


def write(formatter: logging.Formatter, message: str, *values: Any, name: str = "other", **how: Any) -> str:
    """What a handler with this formatter writes for one record."""
    stream, logger = StringIO(), logging.getLogger(name)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    logger.addHandler(handler)
    try:
        logger.warning(message, *values, **how)
    finally:
        logger.removeHandler(handler)
    return stream.getvalue()


def test_a_line_has_the_request_the_path_the_client_and_the_issuer(request_: Request) -> None:
    install()
    note_client(request_, "shop")
    for name, issuer in (("pyramid_oauthguard", "https://id.example"), ("pyramid_oauthguard.server", "https://own")):
        line = write(TextFormatter(), "hello %s", "you", name=name)
        assert line.endswith(
            f"WARNING [{name}] hello you [request proxy-1, path /customers/7, client shop, issuer {issuer}]\n"
        )
        found = json.loads(write(JSONFormatter(), "hello %s", "you", name=name))
        assert (found["message"], found["level"], found["logger"]) == ("hello you", "WARNING", name)
        assert (found["request_id"], found["path"], found["client"]) == ("proxy-1", "/customers/7", "shop")
        assert found["issuer"] == issuer
        assert "exception" not in found
    note_issuer(request_, "okta")
    assert json.loads(write(JSONFormatter(), "x", name="pyramid_oauthguard"))["issuer"] == "okta"
    request_.registry.settings["oauthguard.issuers"] = "okta auth0"
    note_issuer(request_, None)
    assert "issuer" not in json.loads(write(JSONFormatter(), "x", name="pyramid_oauthguard"))


def test_lines_without_a_request_and_of_other_loggers_have_the_fields_too() -> None:
    assert write(TextFormatter("%(request_id)s %(path)s %(client)s %(issuer)s"), "x") == "- - - -\n"
    assert not {"request_id", "path", "client", "issuer"} & json.loads(write(JSONFormatter(), "x")).keys()


@pytest.mark.parametrize("name", ["pyramid_oauthguard", "pyramid_oauthguard.server", "other"])
@pytest.mark.parametrize(
    "formatter", [TextFormatter(), JSONFormatter(), logging.Formatter("%(message)s")], ids=["text", "json", "plain"]
)
def test_no_value_adds_a_line(request_: Request, name: str, formatter: logging.Formatter) -> None:
    install()
    if name == "other" and type(formatter) is logging.Formatter:
        return  # neither our logger nor our formatter
    request_.environ["PATH_INFO"] = "/a\nERROR forged"
    note_client(request_, HOSTILE)
    note_issuer(request_, HOSTILE)
    line = write(formatter, "value: %s", HOSTILE, name=name)
    assert line.endswith("\n")
    assert line[:-1].isprintable()
    line.encode()


@pytest.mark.parametrize("name", ["pyramid_oauthguard", "other"])
def test_a_traceback_can_not_look_like_another_line(name: str) -> None:
    install()
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        text = write(TextFormatter(), "failed", name=name, exc_info=True)
        data = write(JSONFormatter(), "failed", name=name, exc_info=True)
    first, *rest = text.rstrip("\n").split("\n")
    assert "failed" in first
    assert len(rest) > 2
    assert all(line.startswith("  | ") and line.isprintable() for line in rest)
    assert data.count("\n") == 1
    assert "ValueError" in json.loads(data)["exception"]


@pytest.mark.promise("GD-26")
@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/a/eyJhbGciOiJub25lIn0.e30.x/b", "/a/***/b"),
        ("/a/ogat_secret", "/a/***"),
        ("/reset/" + "x" * 64, "/reset/***"),
        ("/caf\xc3\xa9", "/café"),
        ("/\xff", "/\\xff"),
        ("/" + "a/" * 500, "/" + "a/" * 99 + "a"),
    ],
)
def test_a_path_is_shown_without_what_looks_like_a_token(request_: Request, path: str, shown: str) -> None:
    request_.environ["PATH_INFO"], request_.environ["QUERY_STRING"] = path, "access_token=xyzzy"
    line = write(TextFormatter("%(path)s"), "x")
    assert line == shown + "\n"


def test_a_hostile_request_id_is_replaced(request_: Request) -> None:
    request_.headers["X-Request-Id"] = "a b [client admin]"
    assert "client admin" not in write(TextFormatter(), "x")


@pytest.mark.promise("GD-26")
@pytest.mark.parametrize("sent", ["ogat_abc", "x-ogcs_abc", "eyJhbGciOiJub25lIn0.e30."])
def test_a_request_id_that_contains_a_token_is_replaced(request_: Request, sent: str) -> None:
    request_.headers["X-Request-Id"] = sent
    assert sent not in write(TextFormatter(), "x")


def test_installed_twice_is_installed_once() -> None:
    install()
    before = list(logging.getLogger("pyramid_oauthguard").filters)
    install()
    assert logging.getLogger("pyramid_oauthguard").filters == before


def test_the_formatters_are_named_in_an_ini_file(tmp_path: Path) -> None:
    ini, out = tmp_path / "logging.ini", tmp_path / "log"
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    for name in ("JSONFormatter", "TextFormatter"):
        ini.write_text(
            "[loggers]\nkeys = root\n[handlers]\nkeys = file\n[formatters]\nkeys = own\n"
            "[logger_root]\nlevel = WARNING\nhandlers = file\n"
            f"[handler_file]\nclass = FileHandler\nargs = ({str(out)!r}, 'w')\nformatter = own\n"
            f"[formatter_own]\nclass = pyramid_oauthguard.logs.{name}\n"
        )
        try:
            logging.config.fileConfig(ini, disable_existing_loggers=False)
            logging.getLogger("other").warning("hello")
        finally:
            for handler in root.handlers:
                if handler not in handlers:
                    handler.close()
            root.handlers[:], root.level = handlers, level
        text = out.read_text()
        assert json.loads(text)["message"] == "hello" if name == "JSONFormatter" else "hello [request -" in text


def test_printable_text_stays_as_it_is() -> None:
    assert escape("Zürich 東京") == "Zürich 東京"
    assert escape("a\tb\\") == "a\\tb\\"


@pytest.mark.parametrize(
    "extra",
    [
        {"request_id": "own-1"},
        {"client": Path("/a")},
        {"issuer": HOSTILE},
        {"path": 7},
        {"request_id": None, "client": 1},
    ],
)
def test_a_record_with_fields_of_the_application_was_lost(request_: Request, extra: dict[str, Any]) -> None:
    """The handler failed at the other fields, and wrote the traceback of that in place of the line."""
    line = write(TextFormatter("%(request_id)s %(path)s %(client)s %(issuer)s"), "x", extra=extra)
    assert line.count("\n") == 1
    assert line[:-1].isprintable()
    found = json.loads(write(JSONFormatter(), "x", extra=extra))
    expected = {"request_id": "proxy-1", "path": "/customers/7", "issuer": "https://id.example"}
    own = {name: escape(str(value)) for name, value in extra.items() if value is not None}
    assert {name: found[name] for name in expected | own} == expected | own


def test_a_traceback_that_another_formatter_wrote_first_looked_like_lines() -> None:
    try:
        raise ValueError("no\n2026-05-03 WARNING [root] forged")
    except ValueError as error:
        record = logging.LogRecord("other", logging.ERROR, "", 0, "failed", (), (type(error), error, None))
    assert "\n2026-05-03" in logging.Formatter("%(message)s").format(record)
    for _again in range(2):
        first, *rest = TextFormatter("%(message)s").format(record).split("\n")
        assert first == "failed"
        assert [line[:4] for line in rest] == ["  | "] * len(rest)
        assert rest[-1] == "  | 2026-05-03 WARNING [root] forged"


def test_the_lines_of_a_stack_begin_as_those_of_a_traceback() -> None:
    first, *rest = write(TextFormatter("%(message)s"), "here", stack_info=True).rstrip("\n").split("\n")
    assert first == "here"
    assert len(rest) > 2
    assert all(line.startswith("  | ") for line in rest)


@pytest.mark.parametrize("style", ["%", "{", "$"])
def test_a_formatter_of_another_style_without_a_format_stopped_start_up(request_: Request, style: Any) -> None:
    line = write(TextFormatter(style=style), "hello %s", "you")
    assert line.endswith(
        "WARNING [other] hello you [request proxy-1, path /customers/7, client -, issuer https://id.example]\n"
    )
