"""An address that is no UTF-8 is the caller's mistake, which Pyramid by itself answers with 500.

The guard does the same for applications that have no server: rooms do not import each other, and whichever comes second
finds the other's view and adds none.
"""

from __future__ import annotations

from typing import Any, Final

from pyramid.config import Configurator
from pyramid.exceptions import URLDecodeError
from pyramid.interfaces import IExceptionViewClassifier, IRequest, IView
from zope.interface import implementedBy

from .answers import build_answer

__all__ = ["answer_undecodable"]

#: After the views of the application, and after the guard's.
_LAST: Final = 1_001


def answer_undecodable(config: Any) -> None:
    """Answer 400, unless the application has a view for this exception or for one of its bases."""
    registry = config.registry

    def register() -> None:
        place = (IExceptionViewClassifier, IRequest, implementedBy(URLDecodeError))
        if registry.adapters.lookup(place, IView, "") is None:
            late = Configurator(registry=registry, autocommit=True)  # where views are no longer in conflict
            late.add_exception_view(_render, context=URLDecodeError)

    config.action("oauthguard server undecodable", register, order=_LAST)


def _render(_context: Any, _request: Any) -> Any:
    return build_answer(400, {"error": "invalid_request", "error_description": "The address is not valid UTF-8."})
