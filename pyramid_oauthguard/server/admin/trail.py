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
from ..http.errors import InvalidRequestError
from ..http.mount_point import build_path
from ..service import Service
from ..store.records import AuditEntry, AuditPage
from .access import ADMIN_ROUTE, read_values
from .frame import render_admin

__all__ = ["DEPTH", "as_cell", "as_number", "show_audit"]

_SHOWN: Final = 200
_EXPORTED: Final = 10_000
#: So many lines are looked at for a page, and for a file: the trail has a line for each token.
DEPTH: Final = 100_000
_EXPORT_DEPTH: Final = 1_000_000
_DETAIL_CHARACTERS: Final = 2000
_FILES: Final = ("csv", "json")
_is_number = re.compile("[0-9]{1,12}").fullmatch
_FILTERS: Final = ("event", "client_id", "subject")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
#: Where the separator of lists is a semicolon, as in many countries, a spreadsheet begins another cell here.
_AFTER_SEPARATOR: Final = re.compile(r"[;|](?=[\s\"']*[=+\-@＝＋－＠])")
_NAMES: Final = tuple(each.name for each in fields(AuditEntry))


def show_audit(service: Service, request: Request, subject: str) -> Any:
    """The newest lines that match the filter, on a page or as a file."""
    values = read_values(request)
    wanted = {name: values.get(name) or None for name in _FILTERS}
    before = as_number("before", values.get("before"))
    kind = values.get("format", "")
    limit, depth = (_EXPORTED, _EXPORT_DEPTH) if kind in _FILES else (_SHOWN, DEPTH)
    with service.store.reading() as unit:
        found = unit.search_audit(
            limit=limit,
            depth=depth,
            before=before,
            event=wanted["event"],
            client_id=wanted["client_id"],
            subject=wanted["subject"],
        )
    if kind == "csv":
        return _send_csv(found.entries)
    if kind == "json":
        return build_answer(200, {"entries": [asdict(entry) for entry in found.entries], "next": found.older})
    return _render(service, request, subject, found, wanted=wanted, before=before)


def _render(
    service: Service,
    request: Request,
    subject: str,
    found: AuditPage,
    *,
    wanted: dict[str, str | None],
    before: int | None,
) -> Any:
    route, asked = f"{ADMIN_ROUTE}.audit", {name: value for name, value in wanted.items() if value}
    here = asked if before is None else {**asked, "before": str(before)}
    return render_admin(
        service,
        request,
        subject,
        "audit",
        route=route,
        query=here,
        entries=[_describe(request, entry) for entry in found.entries],
        older=None if found.older is None else build_path(request, route, {**asked, "before": str(found.older)}),
        wanted=wanted,
        files={kind: build_path(request, route, {**here, "format": kind}) for kind in _FILES},
    )


def _describe(request: Request, entry: AuditEntry) -> dict[str, Any]:
    """A line for the page. The end of a client names each of its tokens; the files have all of them."""
    detail = entry.detail
    if detail is not None and len(detail) > _DETAIL_CHARACTERS:
        detail = f"{detail[:_DETAIL_CHARACTERS]}…"
    return {**asdict(entry), "moment": format_moment(request, entry.at), "detail": detail}


def as_number(name: str, text: str | None) -> int | None:
    """The number in a parameter, None if it was not sent.

    :raises InvalidRequestError: it is not a whole number.
    """
    if text is not None and not _is_number(text):
        raise InvalidRequestError(f"The parameter {name} must be a whole number.")
    return None if text is None else int(text)


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
