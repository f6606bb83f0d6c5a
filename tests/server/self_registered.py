"""Clients that registered themselves, and their way through the endpoints: what tests of them share."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

from webtest import TestApp

from tests.server.flows import CHALLENGE, VERIFIER, read_answer
from tests.server.test_private_key_jwt import KEY, TYPE, publish, sign

OPEN = {
    "registration": "open",
    "self_registered.scopes": "read write",
    "self_registered.audiences": "https://api.example",
}
TOKEN = "t" * 32
SITE = "https://tool.example"
GOOD = {
    "client_name": "Tool",
    "redirect_uris": [f"{SITE}/callback"],
    "grant_types": ["authorization_code", "refresh_token"],
    "token_endpoint_auth_method": "none",
}


def register(flow, *, status=201, headers=None, **changes):
    body = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    browser = TestApp(flow.server.app.app)
    return browser.post_json("/oauth/register", body, status=status, headers=headers)


def ask(flow, client, **changes):
    parameters = {
        "response_type": "code",
        "client_id": client["client_id"],
        "redirect_uri": client["redirect_uris"][0],
        "scope": "read",
        "state": "s",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        **changes,
    }
    return flow.sign_in().get("/oauth/authorize", parameters, status="*")


def allow(flow, client, **changes):
    return read_answer(ask(flow, client, **changes).form.submit("decision", value="allow"))


def redeem(flow, client, code, *, status=200, **changes):
    form = {
        "grant_type": "authorization_code",
        "client_id": client["client_id"],
        "redirect_uri": client["redirect_uris"][0],
        "code": code,
        "code_verifier": VERIFIER,
        **changes,
    }
    return flow.server.app.post("/oauth/token", form, status=status).json


def find(flow, client):
    return flow.server.clients.find(client["client_id"])


def read_page(page):
    return " ".join(re.sub(r"<[^>]*>", " ", page.text).split())


KEYS = publish(KEY)


def prove(client, **how):
    """The parameters by which a client proves with :data:`KEYS` who it is."""
    return {
        "client_assertion_type": TYPE,
        "client_assertion": sign(SimpleNamespace(client_id=client["client_id"]), **how),
    }


@dataclass
class Host:
    """A host of documents on a loopback port.

    :ivar answers: by path: status, headers and body.
    :ivar asked: the paths that were asked for.
    """

    origin: str = ""
    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    wait: float = 0.0

    @property
    def url(self) -> str:
        return f"{self.origin}/client.json"

    def publish(self, path="/client.json", *, status=200, headers=None, body=None, **changes):
        """Publish a document, by default a good one, and return its URL."""
        url = self.origin + path
        document = {
            "client_id": url,
            "client_name": "Tool",
            "redirect_uris": [f"{self.origin}/callback"],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "none",
            **changes,
        }
        document = {name: value for name, value in document.items() if value is not None}
        sent = {"Content-Type": "application/json", **(headers or {})}
        self.answers[path] = (status, sent, json.dumps(document).encode() if body is None else body)
        return url


@contextmanager
def serve_documents() -> Iterator[Host]:
    host = Host()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            host.asked.append(self.path)
            time.sleep(host.wait)
            status, headers, body = host.answers.get(self.path, (404, {}, b""))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                if value:
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    host.origin = f"http://127.0.0.1:{server.server_port}"
    try:
        yield host
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def describe(url, redirect_uri=None):
    """The client of a document, as the functions above take clients."""
    return {"client_id": url, "redirect_uris": [redirect_uri or url.rsplit("/", 1)[0] + "/callback"]}
