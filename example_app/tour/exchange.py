"""One request to this application and its answer, made without a network and written as HTTP.

A request over HTTP to our own address would wait for a thread that may be this one. ``invoke_subrequest`` needs no thread.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from pyramid.request import Request

__all__ = ["Exchange", "send"]

_SHOWN_HEADERS: Final = ("Content-Type", "Location", "WWW-Authenticate", "Cache-Control", "Retry-After")
#: Members that are credentials: their beginning is enough to recognize them.
_HIDDEN: Final = frozenset({"access_token", "refresh_token", "token", "code", "code_verifier"})
_SHOWN_CHARACTERS: Final = 12
_MOST_CHARACTERS: Final = 4_000
#: What the made request has in common with that of the browser. Limits count addresses.
_SURROUNDINGS: Final = ("wsgi.url_scheme", "SERVER_NAME", "SERVER_PORT", "HTTP_HOST", "SCRIPT_NAME", "REMOTE_ADDR")


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its answer, as texts to show.

    :ivar body: the members of the answer, complete; never shown.
    """

    name: str
    request: str
    status: int
    reason: str
    answer: str
    body: Mapping[str, Any]


def send(
    request: Request,
    method: str,
    path: str,
    *,
    token: str = "",
    client: tuple[str, str] | None = None,
    form: Mapping[str, str] | None = None,
    data: Mapping[str, Any] | None = None,
) -> Exchange:
    """Call this application.

    :param path: as a route's, below the mount point.
    :param token: an access token to present.
    :param client: id and secret of a client that authenticates.
    """
    headers = _build_headers(token, client)
    surroundings = {name: request.environ[name] for name in _SURROUNDINGS if name in request.environ}
    made = Request.blank(path, environ=surroundings, method=method, headers=headers)
    if form is not None:
        made.content_type = "application/x-www-form-urlencoded"
        made.body = urlencode(form).encode()
    elif data is not None:
        made.content_type = "application/json"
        made.body = json.dumps(data).encode()
    response = request.invoke_subrequest(made, use_tweens=True)
    return Exchange(
        name=f"{method} {path}",
        request=_write_request(request, made, token, form=form, data=data),
        status=response.status_int,
        reason=response.status.partition(" ")[2],
        answer=_write_answer(response),
        body=_read_members(response),
    )


def _build_headers(token: str, client: tuple[str, str] | None) -> dict[str, str]:
    if token:
        return {"Authorization": f"Bearer {token}"}
    if client is not None:
        return {"Authorization": f"Basic {base64.b64encode(':'.join(client).encode()).decode()}"}
    return {}


def _write_request(
    request: Request, made: Request, token: str, *, form: Mapping[str, str] | None, data: Mapping[str, Any] | None
) -> str:
    lines = [f"{made.method} {made.path_qs} HTTP/1.1", f"Host: {request.host}"]
    if "Authorization" in made.headers:
        lines.append(f"Authorization: {_write_credentials(made.headers['Authorization'], token)}")
    if form is not None:
        shown = "&".join(f"{name}={_hide(name, value)}" for name, value in form.items())
        lines += [f"Content-Type: {made.content_type}", "", shown]
    elif data is not None:
        lines += [f"Content-Type: {made.content_type}", "", json.dumps(data)]
    return "\n".join(lines)


def _write_credentials(header: str, token: str) -> str:
    return f"Bearer {_hide('token', token)}" if token else header  # the client's secret is the demo's


def _write_answer(response: Any) -> str:
    lines = [f"{name}: {response.headers[name]}" for name in _SHOWN_HEADERS if name in response.headers]
    members = _read_members(response)
    if members:
        hidden = {name: _hide(name, value) for name, value in members.items()}
        lines += ["", json.dumps(hidden, indent=2, ensure_ascii=False)]
    return "\n".join(lines)[:_MOST_CHARACTERS]


def _read_members(response: Any) -> dict[str, Any]:
    if not (response.content_type or "").endswith("json"):
        return {}
    found = json.loads(response.body)
    return found if isinstance(found, dict) else {}


def _hide(name: str, value: Any) -> Any:
    """The beginning of a credential: it must not be copied from the page."""
    if name not in _HIDDEN or not isinstance(value, str) or len(value) <= _SHOWN_CHARACTERS:
        return value
    return f"{value[:_SHOWN_CHARACTERS]}… ({len(value)} characters)"
