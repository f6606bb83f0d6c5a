"""One id for each request. It is in the answer, the audit trail and the log lines, so that they can be matched."""

from __future__ import annotations

import re
import secrets
from typing import Any, Final

__all__ = ["HEADER", "find_request_id", "label_command"]

HEADER: Final = "X-Request-Id"
_ENVIRON: Final = "HTTP_X_REQUEST_ID"
_ATTRIBUTE: Final = "_oauthguard_request_id"
_COMMAND: Final = "command/"
# An id from a caller must not look like that of an operator's command, and must not contain a token: ids are logged.
_SOUND: Final = re.compile(f"(?!{_COMMAND})" + r"(?!.*(?:eyJ|og[a-z]{2}_))[A-Za-z0-9._~+/=-]{1,128}")


def find_request_id(request: Any) -> str:
    """The id that a proxy gave the request, if it is safe to log, or a new one. It proves nothing."""
    found: str | None = getattr(request, _ATTRIBUTE, None)
    if found is None:
        given = request.environ.get(_ENVIRON, "")
        found = given if _SOUND.fullmatch(given) else secrets.token_hex(8)
        setattr(request, _ATTRIBUTE, found)
    return found


def label_command(request: Any, name: str) -> None:
    """Give the request of a command an id with the operator's name; characters that are not safe to log are left
    out."""
    sound = re.sub(r"[^A-Za-z0-9._-]", "", name)[:64]
    setattr(request, _ATTRIBUTE, f"{_COMMAND}{sound or 'unknown'}/{secrets.token_hex(8)}")
