"""Answers to errors that the application did not catch, where Pyramid would answer 500: an address that is not UTF-8, and a
limit that was reached.

The guard answers such addresses for applications that have no server. The guard and the server do not import each other: the
second of them to be configured finds the view of the first, and adds none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from pyramid.config import Configurator
from pyramid.config.views import DefaultViewMapper
from pyramid.exceptions import URLDecodeError
from pyramid.interfaces import IExceptionViewClassifier, IRequest, IView
from pyramid.registry import Registry
from pyramid.request import Request
from zope.interface import implementedBy

from .answers import build_answer, build_error
from .limits import TooManyRequestsError

__all__ = ["add_last_resort"]

View = Callable[[Any, Any], Any]
#: After the views of the application, and after the guard's.
_LAST: Final = 1_001


def add_last_resort(config: Configurator) -> None:
    """Add the views, each unless the application has one for this exception or for one of its bases, other than one for
    all exceptions: such a view, as Cornice has it, is for unexpected errors."""
    config.action("oauthguard server last resort", _add_views, args=(config.registry,), order=_LAST)


def _add_views(registry: Registry) -> None:
    _add_view(registry, URLDecodeError, _answer_undecodable)
    _add_view(registry, TooManyRequestsError, _answer_limit)


def _add_view(registry: Registry, error: type[Exception], view: View) -> None:
    found = _find_view(registry, error)
    if found is not None and found is not _find_view(registry, Exception):
        return
    late = Configurator(registry=registry, autocommit=True)  # views can't conflict any more
    view = view if found is None else _ask_first(found, view)
    late.add_exception_view(view, context=error, mapper=DefaultViewMapper)


def _find_view(registry: Registry, error: type[Exception]) -> Any:
    """The view of this exception or of a base class, or None."""
    return registry.adapters.lookup((IExceptionViewClassifier, IRequest, implementedBy(error)), IView, "")


def _ask_first(catch_all: View, otherwise: View) -> View:
    """A view of all exceptions answers, unless it raises the exception again, as Cornice's does."""

    def answer(context: Any, request: Request) -> Any:
        try:
            return catch_all(context, request)
        except type(context):
            return otherwise(context, request)

    return answer


def _answer_undecodable(_error: Any, _request: Request) -> Any:
    return build_answer(400, {"error": "invalid_request", "error_description": "The address is not valid UTF-8."})


def _answer_limit(error: Any, _request: Request) -> Any:
    return build_error(error)
