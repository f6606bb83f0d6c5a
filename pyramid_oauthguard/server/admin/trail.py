"""The audit trail: a page with a filter, and the same lines as CSV and JSON."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import asdict, fields
from typing import Any, Final

from pyramid.request import Request
from pyramid.response import Response

from ..consent.languages import format_moment
from ..http.answers import build_answer
from ..http.mount_point import build_path
from ..service import Service
from ..store.records import AuditEntry
from .access import ADMIN_ROUTE, read_values
from .frame import render_admin

__all__ = ["as_cell", "show_audit"]

_SHOWN: Final = 200
_EXPORTED: Final = 10_000
_FILTERS: Final = ("event", "client_id", "subject")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
#: Where the separator of lists is a semicolon, as in many countries, a spreadsheet begins another cell here.
_AFTER_SEPARATOR: Final = re.compile(r"[;|](?=[\s\"']*[=+\-@＝＋－＠])")
_NAMES: Final = tuple(each.name for each in fields(AuditEntry))


def show_audit(service: Service, request: Request, subject: str) -> Any:
    """The newest lines that match the filter, on a page or as a file."""
    values = read_values(request)
    wanted = {name: values.get(name) or None for name in _FILTERS}
    kind = values.get("format", "")
    with service.store.reading() as unit:
        entries = unit.list_audit(
            limit=_EXPORTED if kind in {"csv", "json"} else _SHOWN,
            event=wanted["event"],
            client_id=wanted["client_id"],
            subject=wanted["subject"],
        )
    if kind == "csv":
        return _send_csv(entries)
    if kind == "json":
        return build_answer(200, {"entries": [asdict(entry) for entry in entries]})
    asked = {name: value for name, value in wanted.items() if value}
    route = f"{ADMIN_ROUTE}.audit"
    return render_admin(
        service,
        request,
        subject,
        "audit",
        route=route,
        query=asked,
        entries=[{"moment": format_moment(request, entry.at), **asdict(entry)} for entry in entries],
        wanted=wanted,
        files={kind: build_path(request, route, {**asked, "format": kind}) for kind in ("csv", "json")},
    )


def as_cell(value: Any) -> str:
    """A cell that no spreadsheet takes for a formula."""
    text = _AFTER_SEPARATOR.sub(r"\g<0>'", "" if value is None else str(value))
    return f"'{text}" if text.startswith(_FORMULA) else text


def _send_csv(entries: tuple[AuditEntry, ...]) -> Any:
    lines = io.StringIO()
    writer = csv.writer(lines)
    writer.writerow(_NAMES)
    writer.writerows([as_cell(getattr(entry, name)) for name in _NAMES] for entry in entries)
    response = Response(lines.getvalue(), content_type="text/csv", charset="utf-8")
    response.headers["Content-Disposition"] = "attachment; filename=audit.csv"
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
