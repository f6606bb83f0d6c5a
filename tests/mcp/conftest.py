"""The example on a real port, with the MCP endpoint and clients that register themselves."""

from __future__ import annotations

import json
import os
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from tests.certificates import write_certificate
from tests.example.servers import find_free_port, serve


@dataclass(frozen=True)
class Site:
    """The example as a program on this machine sees it.

    :ivar document: the URL of the metadata document of a client.
    :ivar folder: with the settings and the databases.
    """

    issuer: str
    document: str
    folder: Path

    @property
    def url(self) -> str:
        return f"{self.issuer}/mcp"


@contextmanager
def publish_document(certificate: Path) -> Iterator[str]:
    """A client metadata document on loopback, over TLS: the SDKs accept https alone. Its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(document).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class names it
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    document = {
        "client_id": f"https://127.0.0.1:{server.server_port}/client.json",
        "client_name": "An assistant",
        "redirect_uris": ["http://127.0.0.1/callback", "http://127.0.0.1/oauth/callback"],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    }
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield str(document["client_id"])
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    # `oauthguard token` refreshes what ends within a minute.
    with run_site(tmp_path_factory.mktemp("mcp"), {"oauthguard.server.access_token_ttl": "50s"}) as found:
        yield found


@contextmanager
def run_site(folder: Path, more: dict[str, str]) -> Iterator[Site]:
    port = find_free_port()
    certificate = write_certificate(folder)
    settings = {
        "oauthguard.server.registration": "open",
        "oauthguard.server.client_metadata_documents": "on",
        "oauthguard.server.client_metadata_documents.development": "on",
        "oauthguard.server.self_registered.scopes": "customers:read customers:charge",
        "oauthguard.server.self_registered.audiences": f"http://localhost:{port}/mcp",
        "oauthguard.server.limits": "off",
        **more,
    }
    trusting = patch.dict(os.environ, {"SSL_CERT_FILE": str(certificate)})
    served = serve("development.ini", folder, ports={"6543": str(port)}, settings=settings)
    with publish_document(certificate) as document, trusting, served:
        yield Site(f"http://localhost:{port}", document, folder)
