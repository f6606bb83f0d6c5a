"""The audit trail: what happened, to whom, by which request. Written in the unit that does it, so that it holds exactly
what was committed; ids only, never a secret, code or token.
"""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable
from dataclasses import fields
from typing import Any, Final

from pyramid.threadlocal import get_current_request

from .request_ids import find_request_id
from .store.contract import Unit
from .store.records import AuditEntry

__all__ = ["Tell", "build_entry", "build_teller"]

Tell = Callable[[Unit, object], None]
_COLUMNS: Final = frozenset({"subject", "client_id", "grant_id", "token_id"})
_MAX_ADDRESS: Final = 64
#: Who administers, and with the API also the client; the administration leaves it at the request.
_AUTHORS: Final = ("administrator", "administrator_client")


def build_teller(notify: Callable[[object], None]) -> Tell:
    """A function that writes an event into the audit trail in the caller's unit, and sends it once that is committed."""

    def tell(unit: Unit, event: object) -> None:
        unit.add_audit(build_entry(event, get_current_request()))
        unit.after_commit(lambda: notify(event))

    return tell


def build_entry(event: Any, request: Any) -> AuditEntry:
    """The line of the trail for an event: its ids in columns, its other fields as JSON in ``detail``.

    :param event: a dataclass of :mod:`~pyramid_oauthguard.server.events`.
    :param request: the request that did it; None if it was a command or a job.
    """
    columns, others = _list_fields(type(event))  # type: ignore[arg-type]  # a class is hashable
    detail = {name: value for name in others if (value := getattr(event, name)) not in (None, ())}
    detail |= {name: value for name in _AUTHORS if (value := getattr(request, f"oauthguard_{name}", None)) is not None}
    address = None if request is None else request.remote_addr
    return AuditEntry(
        at=time.time(),
        event=type(event).__name__,
        address=address and address[:_MAX_ADDRESS],
        request_id=None if request is None else find_request_id(request),
        detail=json.dumps(detail) if detail else None,
        **{name: getattr(event, name) for name in columns},
    )


@functools.cache
def _list_fields(event_class: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The fields that are columns, and the others."""
    names = [field.name for field in fields(event_class)]
    return tuple(name for name in names if name in _COLUMNS), tuple(name for name in names if name not in _COLUMNS)
