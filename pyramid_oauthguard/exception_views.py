"""Exception views that are added after those of the application, so that an application may have its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyramid.config import Configurator
from pyramid.config.views import DefaultViewMapper
from pyramid.interfaces import IExceptionViewClassifier, IRequest, IView
from pyramid.registry import Registry
from pyramid.request import Request
from zope.interface import implementedBy

__all__ = ["View", "add_fallback_view", "add_late_view"]

View = Callable[[Any, Any], Any]


def add_late_view(registry: Registry, error: type[Exception], view: View) -> None:
    """Add the view of an exception. NOT checked: whether there is one, which it replaces."""
    late = Configurator(
        registry=registry, autocommit=True
    )  # at once: it is not in conflict with a view that was added before
    late.add_exception_view(view, context=error, mapper=DefaultViewMapper)


def add_fallback_view(registry: Registry, error: type[Exception], view: View) -> None:
    """Add the view unless the application has one for this exception or for one of its bases.

    A view for all exceptions does not count, because it is for unexpected errors, as Cornice's is. It is asked first.
    """
    found = _find_view(registry, error)
    if found is None:
        add_late_view(registry, error, view)
    elif found is _find_view(registry, Exception):
        add_late_view(registry, error, _ask_first(found, view))


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
