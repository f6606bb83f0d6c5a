"""One id for each request: in the answer, in the audit trail and in our log lines, so that one finds the others."""

from __future__ import annotations

import functools
import re
import secrets
from collections.abc import Callable
from typing import Any, Final

__all__ = ["HEADER", "find_request_id", "label_answers", "label_command"]

HEADER: Final = "X-Request-Id"
_ATTRIBUTE: Final = "_oauthguard_request_id"
_COMMAND: Final = "command/"
_SOUND: Final = re.compile(f"(?!{_COMMAND})" + r"[A-Za-z0-9._~+/=-]{1,128}")  # no stranger's looks like an operator's


def find_request_id(request: Any) -> str:
    """The id that a proxy gave the request, if it can be written anywhere, or one made now. It proves nothing."""
    found: str | None = getattr(request, _ATTRIBUTE, None)
    if found is None:
        given = request.headers.get(HEADER, "")
        found = given if _SOUND.fullmatch(given) else secrets.token_hex(8)
        setattr(request, _ATTRIBUTE, found)
    return found


def label_command(request: Any, name: str) -> None:
    """Name the request of a command line after who typed it; what can't be written anywhere of a name is left out."""
    sound = re.sub(r"[^A-Za-z0-9._-]", "", name)[:64]
    setattr(request, _ATTRIBUTE, f"{_COMMAND}{sound or 'unknown'}/{secrets.token_hex(8)}")


def label_answers(view: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Put the request's id into the answers of a view."""

    @functools.wraps(view)
    def wrapped(request: Any) -> Any:
        response = view(request)
        response.headerlist.append((HEADER, find_request_id(request)))
        return response

    return wrapped
