"""Formatters for any log: a line of text, or a line of JSON, for each record."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal

from .marking import FIELDS, NONE, complete, escape, escape_lines

__all__ = ["JSONFormatter", "TextFormatter"]

_FORMAT: Final = (
    "%(asctime)s %(levelname)s [%(name)s] %(message)s"
    " [request %(request_id)s, path %(path)s, client %(client)s, issuer %(issuer)s]"
)

_FIELD: Final = re.compile(r"%\((\w+)\)s")
#: The same, by the style of :class:`logging.Formatter`.
_FORMATS: Final[Mapping[str, str]] = {
    "%": _FORMAT,
    "{": _FIELD.sub(r"{\1}", _FORMAT),
    "$": _FIELD.sub(r"${\1}", _FORMAT),
}


class TextFormatter(logging.Formatter):
    """Text. The format may use ``%(request_id)s``, ``%(path)s``, ``%(client)s`` and ``%(issuer)s``, for the records of all
    loggers. Only the lines of a traceback follow on lines of their own, which begin with ``  |``."""

    def __init__(
        self,
        fmt: str | None = None,
        datefmt: str | None = None,
        style: Literal["%", "{", "$"] = "%",
        **options: Any,
    ) -> None:
        super().__init__(fmt or _FORMATS.get(style), datefmt, style, **options)

    def format(self, record: logging.LogRecord) -> str:
        complete(record)
        if record.exc_text:  # another formatter may have written it
            record.exc_text = escape_lines(record.exc_text)
        return super().format(record)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # the name is logging's
        record.message = escape(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802  # the name is logging's
        return escape_lines(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802  # the name is logging's
        return escape_lines(stack_info)


class JSONFormatter(logging.Formatter):
    """A JSON object: ``time``, ``level``, ``logger``, ``message``, ``request_id``, ``path``, ``client``, ``issuer``,
    ``process``, ``thread``, and ``exception`` if there is one. What is not known is left out."""

    def format(self, record: logging.LogRecord) -> str:
        complete(record)
        found: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **{name: value for name in FIELDS if (value := getattr(record, name)) != NONE},
            "process": record.process,
            "thread": record.threadName,
        }
        if record.exc_info:
            found["exception"] = record.exc_text or self.formatException(record.exc_info)
        return json.dumps(found)
