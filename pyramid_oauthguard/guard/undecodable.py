"""An address that is no UTF-8 is the caller's mistake, which Pyramid by itself answers with 500."""

from __future__ import annotations

from typing import Any, Final

from pyramid.config import Configurator
from pyramid.exceptions import URLDecodeError
from pyramid.httpexceptions import HTTPBadRequest
from pyramid.interfaces import IExceptionViewClassifier, IRequest, IView
from zope.interface import implementedBy

__all__ = ["answer_undecodable"]

#: After the views of the application.
_LAST: Final = 1_000


def answer_undecodable(config: Any) -> None:
    """Answer 400, unless the application has a view for this exception or for one of its bases."""
    registry = config.registry

    def register() -> None:
        place = (IExceptionViewClassifier, IRequest, implementedBy(URLDecodeError))
        if registry.adapters.lookup(place, IView, "") is None:
            late = Configurator(registry=registry, autocommit=True)  # where views are no longer in conflict
            late.add_exception_view(_render, context=URLDecodeError)

    config.action(("oauthguard", "undecodable"), register, order=_LAST)


def _render(_context: Any, _request: Any) -> HTTPBadRequest:
    return HTTPBadRequest("The address is not valid UTF-8.")
