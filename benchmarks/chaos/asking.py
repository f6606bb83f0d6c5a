"""Requests over TCP or a Unix socket, with a limit of time, and answers that may be missing."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

__all__ = ["Address", "Answer", "ask", "basic"]

_LIMIT_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Address:
    """A port on loopback, or a Unix socket."""

    port: int = 0
    socket: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """``status`` is 0 where there was no answer in time."""

    status: int
    body: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def ask(
    address: Address,
    method: str,
    path: str,
    form: Mapping[str, str] | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    limit: float = _LIMIT_SECONDS,
) -> Answer:
    """One request on a connection of its own."""
    begun = time.monotonic()
    connection = (
        _UnixConnection(address.socket, limit)
        if address.socket
        else http.client.HTTPConnection("127.0.0.1", address.port, timeout=limit)
    )
    sent = {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})}
    try:
        connection.request(method, path, None if form is None else urlencode(form), sent)
        response = connection.getresponse()
        status, text = response.status, response.read()
    except (OSError, http.client.HTTPException):
        return Answer(0, seconds=time.monotonic() - begun)
    finally:
        connection.close()
    return Answer(status, _read(text), time.monotonic() - begun)


def basic(client: tuple[str, str]) -> dict[str, str]:
    """The header of a client, or of one whose secret is guessed."""
    return {"Authorization": "Basic " + base64.b64encode(f"{client[0]}:{client[1]}".encode()).decode()}


def _read(text: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
