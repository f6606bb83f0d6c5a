"""What the server and a guard beside it log: request, client and issuer in each line, warnings of thefts, and no secret."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest

from pyramid_oauthguard.logs import JSONFormatter, TextFormatter
from pyramid_oauthguard.server.keys import get_keys
from tests.server.conftest import ISSUER, Build, Server
from tests.server.flows import build_flow, read_answer

SECRET_ATTRIBUTES = ("args", "msg", "exc_text", "path", "client", "issuer")


class Log:
    """Everything that was logged, at any level, as text and as JSON."""

    def __init__(self) -> None:
        self.text, self.data = StringIO(), StringIO()
        self.records: list[logging.LogRecord] = []

    def read(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.data.getvalue().splitlines()]


class Keeper(logging.Handler):
    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        self._log.records.append(record)


@pytest.fixture
def log() -> Iterator[Log]:
    found, root = Log(), logging.getLogger("pyramid_oauthguard")
    handlers: list[logging.Handler] = [
        logging.StreamHandler(found.text),
        logging.StreamHandler(found.data),
        Keeper(found),
    ]
    handlers[0].setFormatter(TextFormatter())
    handlers[1].setFormatter(JSONFormatter())
    level = root.level
    root.setLevel(logging.DEBUG)
    for handler in handlers:
        root.addHandler(handler)
    yield found
    for handler in handlers:
        root.removeHandler(handler)
    root.setLevel(level)


def test_a_refresh_token_that_is_used_again_is_a_warning_with_request_client_and_issuer(build: Build, log: Log) -> None:
    flow = build_flow(build, {"refresh_reuse_grace": "0"})
    tokens = flow.redeem(flow.allow())
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    headers = {**flow.server.basic(flow.web), "X-Request-Id": "reuse-1"}
    flow.server.app.post("/oauth/token", form, headers=headers)
    flow.server.app.post("/oauth/token", form, headers=headers, status=400)
    [line] = [each for each in log.read() if "used again" in each["message"]]
    assert line["level"] == "WARNING"
    assert (line["request_id"], line["path"]) == ("reuse-1", "/oauth/token")
    assert (line["client"], line["issuer"]) == (flow.web.client.client_id, ISSUER)


def test_a_token_of_a_revoked_key_is_a_warning_and_few_lines(server: Server, log: Log) -> None:
    token = server.token()
    [key] = get_keys(server.registry).list_all()
    get_keys(server.registry).revoke(key.record.kid)
    for _ in range(30):
        assert server.introspect(token) == {"active": False}
    lines = [each for each in log.read() if "revoked key" in each["message"]]
    assert [each["level"] for each in lines] == ["WARNING"]
    assert key.record.kid in lines[0]["message"]
    assert server.program.client.client_id in lines[0]["message"]
    assert lines[0]["client"] == server.api.client.client_id, "who asked"
    other = server.token()
    server.revoke(other)
    server.introspect(other)
    assert len([each for each in log.read() if "revoked key" in each["message"]]) == 1, "its key is not revoked"


@pytest.mark.promise("GD-26", "EV-01")
def test_no_line_and_no_record_has_a_secret_a_code_or_a_token(build: Build, log: Log) -> None:
    def include_guard(config: Any) -> None:
        config.registry.settings.update({"oauthguard.issuer": ISSUER, "oauthguard.audience": "https://api.example"})
        config.include("pyramid_oauthguard")
        config.add_route("api", "/api/*rest")
        config.add_view(lambda request: {}, route_name="api", renderer="json", token_check="remote")

    flow = build_flow(build, {"refresh_reuse_grace": "0"}, configure=include_guard)
    app, headers = flow.server.app, flow.server.basic(flow.web)
    code = read_answer(flow.show().form.submit("decision", value="allow"))["code"]
    tokens = flow.redeem(code)
    flow.redeem(code, status=400)
    access, refresh = tokens["access_token"], tokens["refresh_token"]
    for form in (
        {"grant_type": "refresh_token", "refresh_token": refresh},
        {"grant_type": "refresh_token", "refresh_token": refresh[:-1] + "x"},
        {"grant_type": "authorization_code", "code": code[:-1] + "x", "redirect_uri": "https://web.example/"},
    ):
        app.post("/oauth/token", form, headers=headers, status="*")
        app.post("/oauth/token", {**form, "client_secret": flow.web.secret}, headers=headers, status="*")
    for sent in (access, access[:-2] + "xx", refresh):
        for path in (f"/api/{sent}", f"/oauth/applications?x={sent}", f"/oauth/authorize?state={sent}"):
            app.get(path, headers={"Authorization": f"Bearer {sent}", "X-Request-Id": sent}, status="*")
        app.get("/api/x", headers={"Authorization": f"Token {sent}"}, status="*")
        app.post("/oauth/introspect", {"token": sent}, headers=headers, status="*")
        app.post("/oauth/revoke", {"token": sent}, headers=headers, status="*")
    assert len(log.records) > 5
    seen = log.text.getvalue() + log.data.getvalue()
    seen += "".join(str(getattr(each, name, "")) for each in log.records for name in SECRET_ATTRIBUTES)
    for secret in (code, access, refresh, flow.web.secret, headers["Authorization"]):
        assert secret not in seen
        assert secret[12:40] not in seen
    lines = log.text.getvalue().rstrip("\n").split("\n")
    assert len(lines) == len(log.records) == len(log.read())


def test_the_guard_names_the_issuer_whose_token_it_refuses(build: Build, log: Log) -> None:
    def include_guard(config: Any) -> None:
        config.registry.settings.update(
            {
                "oauthguard.audience": "https://api.example",
                "oauthguard.issuers": "own",
                "oauthguard.issuers.own.issuer": ISSUER,
                "oauthguard.issuers.own.scopes": "read",
                "oauthguard.issuers.own.audience": "https://other.example",
            }
        )
        config.include("pyramid_oauthguard")
        config.add_route("api", "/api")
        config.add_view(lambda request: {}, route_name="api", renderer="json", token_check="local")

    server = build(configure=include_guard)
    headers = {"Authorization": f"Bearer {server.token()}", "X-Request-Id": "guarded-1"}
    server.app.get("/api", headers=headers, status=401)
    [line] = [each for each in log.read() if "token refused" in each["message"]]
    assert (line["level"], line["request_id"], line["path"]) == ("INFO", "guarded-1", "/api")
    assert line["issuer"] == "own"
    assert "client" not in line, "nobody has verified it"
