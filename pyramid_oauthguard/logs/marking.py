"""A filter of our loggers. It adds what is known of the request to each record, and keeps each record on one line."""

from __future__ import annotations

import logging
import re
import traceback
from typing import Any, Final

from .request_ids import find_request_id

__all__ = ["FIELDS", "NONE", "complete", "escape", "escape_lines", "install", "note_client", "note_issuer"]

#: The attributes of a record.
FIELDS: Final = ("request_id", "path", "client", "issuer")
#: Where nothing is known.
NONE: Final = "-"
_LOGGERS: Final = ("pyramid_oauthguard", "pyramid_oauthguard.server")
_CLIENT: Final = "_oauthguard_log_client"
_ISSUER: Final = "_oauthguard_log_issuer"
#: Where the guard keeps the token of a request, or why there is none.
_RESULT: Final = "_oauthguard_result"
_MOST_CHARACTERS: Final = 200
#: How each line of a traceback begins.
_MARK: Final = "  | "
#: A part of a path that looks like a token, a code or a secret.
_hide_tokens: Final = re.compile(r"(?:eyJ|og[a-z]{2}_)[^/]*|[^/]{64,}").sub


def note_client(request: Any, client_id: str) -> None:
    """Let the lines of a request name its client. Only after it proved who it is, or is known not to have to."""
    vars(request)[_CLIENT] = client_id


def note_issuer(request: Any, name: str | None) -> None:
    """Let the lines of a request name the issuer whose token it brings."""
    vars(request)[_ISSUER] = name


def install() -> None:
    """Add the filter to our loggers; once, however often it is called."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_FILTER)


def complete(record: logging.LogRecord) -> None:
    """Give a record the fields that it does not have. What the application has put there stays, on one line: ``request_id`` and
    ``client`` are usual words for ``extra`` and for filters of logging."""
    kept = vars(record)
    if all(_is_line(kept.get(name)) for name in FIELDS):
        return
    for name, value in zip(FIELDS, _describe(_find_request(), record.name), strict=True):
        own = kept.get(name)
        kept[name] = value if own is None else escape(str(own))


def escape(text: str) -> str:
    """The text on one line: what is not printable is written as in a Python string."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def escape_lines(text: str) -> str:
    """The lines of a traceback: each begins with a mark, so that none looks like a record. Lines that have it get no second one."""
    lines = text.splitlines()
    mark = "" if all(line.startswith(_MARK) for line in lines) else _MARK
    return "\n".join(mark + escape(line) for line in lines)


class _Filter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        complete(record)
        text = record.getMessage()
        if not text.isprintable():
            record.msg, record.args = escape(text), ()
        if record.exc_info and record.exc_info[1] is not None and not record.exc_text:
            record.exc_text = escape_lines("".join(traceback.format_exception(record.exc_info[1])))
        return True


_FILTER: Final = _Filter()


def _is_line(value: object) -> bool:
    return isinstance(value, str) and value.isprintable()


def _find_request() -> Any:
    from pyramid.threadlocal import get_current_request

    return get_current_request()


def _describe(request: Any, logger: str) -> tuple[str, str, str, str]:
    if request is None:
        return NONE, NONE, NONE, NONE
    kept = vars(request)
    client = kept.get(_CLIENT) or getattr(kept.get(_RESULT), "client_id", None)
    fields = (_read_path(request.environ), client, _find_issuer(request, kept, logger))
    path, client, issuer = (escape(str(each or NONE))[:_MOST_CHARACTERS] for each in fields)
    return find_request_id(request), path, client, issuer


def _read_path(environ: Any) -> str:
    """The path as it was sent, without the query, which may contain secrets."""
    raw = str(environ.get("PATH_INFO", "")).encode("latin-1", "replace")
    return _hide_tokens("***", raw.decode("utf-8", "backslashreplace"))


def _find_issuer(request: Any, kept: dict[str, Any], logger: str) -> str | None:
    settings = getattr(request.registry, "settings", None) or {}
    if logger.startswith(_LOGGERS[1]):
        return settings.get("oauthguard.server.issuer")
    found: str | None = kept.get(_ISSUER) or getattr(kept.get(_RESULT), "issuer_name", None)
    if found is None and not settings.get("oauthguard.issuers"):
        found = settings.get("oauthguard.issuer")
    return found
