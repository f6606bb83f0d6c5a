"""The application of an ini file, for as long as a command needs it."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from pyramid.exceptions import ConfigurationExecutionError
from pyramid.paster import bootstrap

from ...errors import OAuthGuardError
from ..random_values import make_id
from ..request_ids import HEADER
from ..service import IService, Service

__all__ = ["INI", "find_service", "open_application"]

INI = click.argument("ini", type=click.Path(exists=True, dir_okay=False))


@contextmanager
def open_application(ini: str) -> Iterator[Any]:
    """The registry of the application. What is done inside has the operator's name in the audit trail.

    :raises OAuthGuardError: it can't start, or has no authorization server; the text says why.
    """
    try:
        environment = bootstrap(ini)
    except ConfigurationExecutionError as error:
        if isinstance(error.evalue, OAuthGuardError):
            raise error.evalue from error
        raise
    with environment as found:
        found["request"].headers[HEADER] = f"command/{_find_operator()}/{make_id()}"
        try:
            yield found["registry"]
        finally:
            _close_store(found["registry"])


def find_service(registry: Any) -> Service:
    """:raises OAuthGuardError: the application has no authorization server."""
    service: Service | None = registry.queryUtility(IService)
    if service is None:
        raise OAuthGuardError("the application doesn't include pyramid_oauthguard.server")
    return service


def _close_store(registry: Any) -> None:
    service = registry.queryUtility(IService)
    close = getattr(service.store, "close", None) if service is not None else None
    if close is not None:  # a store of the application's own need not have one
        close()


def _find_operator() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # an account without a name
        return "unknown"
