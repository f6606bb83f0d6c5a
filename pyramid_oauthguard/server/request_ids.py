"""The id of each request in the answers of the server; see :mod:`pyramid_oauthguard.logs.request_ids`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..logs.request_ids import HEADER, find_request_id, label_command

__all__ = ["HEADER", "find_request_id", "label_answers", "label_command"]


def label_answers(view: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Put the request's id into the answers of a view."""

    @functools.wraps(view)
    def wrapped(request: Any) -> Any:
        response = view(request)
        response.headerlist.append((HEADER, find_request_id(request)))
        return response

    return wrapped
