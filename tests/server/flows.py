"""Users, clients that ask them, and the way from one to the other: what tests of user grants share."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, parse_qsl, quote, urlsplit

from pyramid.httpexceptions import HTTPSeeOther
from webtest import TestApp, TestResponse

from pyramid_oauthguard.server.clients import MadeClient
from tests.server.conftest import ISSUER, Server, basic

CALLBACK = "https://web.example/callback?tenant=1"
LOOPBACK = "http://127.0.0.1/callback"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


@dataclass
class People:
    """The application's hooks: whoever the cookie says is signed in."""

    gone: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    asked: list[Any] = field(default_factory=list)

    def user(self, request: Any) -> str | None:
        return request.cookies.get("user") or None

    def sign_in(self, request: Any) -> Any:
        return HTTPSeeOther(f"/sign-in?next={quote(request.path_qs, safe='')}")

    def approve(self, request: Any, authorization: Any) -> bool:
        self.asked.append(authorization)
        return authorization.client.name not in self.refused

    def is_active(self, subject: str) -> bool:
        return subject not in self.gone

    def auth_time(self, request: Any) -> float:
        return 1000.5

    def user_name(self, subject: str) -> str:
        return subject.title()


@dataclass
class Flow:
    """A server whose application knows users, and its clients: ``web`` is confidential, ``native`` public."""

    server: Server = field(repr=False)
    people: People = field(repr=False)
    web: MadeClient
    native: MadeClient

    def sign_in(self, subject: str = "anna") -> TestApp:
        """A browser of its own with this user signed in."""
        browser = TestApp(self.server.app.app)
        browser.set_cookie("user", subject)
        return browser

    def ask(self, client: MadeClient | None = None, **changes: str | None) -> dict[str, str]:
        """The parameters of a good request, with these changes; None leaves one out."""
        made = client or self.web
        parameters = {
            "response_type": "code",
            "client_id": made.client.client_id,
            "redirect_uri": CALLBACK if made is self.web else LOOPBACK,
            "scope": "read write",
            "state": "s t/%",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            **changes,
        }
        return {name: value for name, value in parameters.items() if value is not None}

    def show(self, client: MadeClient | None = None, *, browser: TestApp | None = None, **changes: Any) -> TestResponse:
        """The consent page."""
        page = (browser or self.sign_in()).get("/oauth/authorize", self.ask(client, **changes))
        assert page.content_type == "text/html", page
        return page

    def allow(self, client: MadeClient | None = None, *, browser: TestApp | None = None, **changes: Any) -> str:
        """The code of a request that was asked and allowed."""
        answer = self.show(client, browser=browser, **changes).form.submit("decision", value="allow")
        return read_answer(answer)["code"]

    def redeem(self, code: str, client: MadeClient | None = None, *, status: Any = 200, **changes: Any) -> Any:
        made = client or self.web
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": CALLBACK if made is self.web else LOOPBACK,
            "code_verifier": VERIFIER,
            **changes,
        }
        headers = {}
        if made.secret is None:
            form["client_id"] = made.client.client_id
        else:
            headers = basic(made.client.client_id, made.secret)
        form = {name: value for name, value in form.items() if value is not None}
        return TestApp(self.server.app.app).post("/oauth/token", form, headers=headers, status=status).json

    def is_active(self, token: str) -> bool:
        return self.server.is_active(token)


def build_flow(build: Any, settings: dict[str, Any] | None = None, **how: Any) -> Flow:
    people = People()
    configure = how.pop("configure", None)

    def add_people(config: Any) -> None:
        config.set_resource_owner(people)
        if configure:
            configure(config)

    server = build(settings, configure=add_people, **how)
    grants = ["authorization_code", "refresh_token"]
    web = server.clients.create("Web shop", redirect_uris=[CALLBACK], grants=grants, scopes=["read", "write"])
    native = server.clients.create(
        "Native", public=True, redirect_uris=[LOOPBACK], grants=grants, scopes=["read", "write"]
    )
    return Flow(server, people, web, native)


def read_answer(response: TestResponse) -> dict[str, str]:
    """The parameters that a client is given, with ``to`` the address without them. Each is there once."""
    assert response.status_int == 303, response
    location = response.headers["Location"]
    parts = urlsplit(location)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    assert len(dict(pairs)) == len(pairs)
    answer = dict(pairs)
    assert answer["iss"] == ISSUER or "code" not in answer
    return {**answer, "to": f"{parts.scheme}://{parts.netloc}{parts.path}"}


def read_next(response: TestResponse) -> str:
    return parse_qs(urlsplit(response.headers["Location"]).query)["next"][0]
