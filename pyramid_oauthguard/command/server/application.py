"""The application of an ini file, for as long as a command needs it."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from pyramid.paster import bootstrap

from ...errors import OAuthGuardError, UnavailableError
from ...server.request_ids import label_command
from ...server.service import IService, Service
from ...server.settings import PREFIX
from ..failed_start import explain_failed_start

__all__ = ["INI", "WORD", "explain_ini", "explain_storage", "find_service", "open_application"]

INI = click.argument("ini", type=click.Path(exists=True, dir_okay=False))


class _Word(click.types.StringParamType):
    """What can be looked up and stored: databases refuse half characters and NUL, and terminals obey controls."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not str(value).isprintable():
            self.fail("must be printable text", param, ctx)
        return value


WORD = _Word()


@contextmanager
def open_application(ini: str) -> Iterator[Any]:
    """The registry of the application. What is done inside has the operator's name in the audit trail.

    :raises OAuthGuardError: it can't start, or has no authorization server; the text says why.
    """
    with explain_ini(ini):
        environment = bootstrap(ini)
    with explain_storage(), environment as found:
        label_command(found["request"], _find_operator())
        _lift_time_limits(found["registry"])
        try:
            yield found["registry"]
        finally:
            _close_store(found["registry"])


@contextmanager
def explain_ini(ini: str) -> Iterator[None]:
    """One line for whatever is wrong with the file, or with the application that it names."""
    try:
        yield
    except Exception as error:
        raise explain_failed_start(ini, error) from error


@contextmanager
def explain_storage() -> Iterator[None]:
    """Say which storage it is that can't be used, and where to look."""
    try:
        yield
    except UnavailableError as error:
        if error.reason != "storage":
            raise
        text = f"the database can't be used ({error.detail}): is it running, and is {PREFIX}.sqlalchemy.url right?"
        raise error.repeat(text) from error


def find_service(registry: Any) -> Service:
    """:raises OAuthGuardError: the application has no authorization server."""
    service: Service | None = registry.queryUtility(IService)
    if service is None:
        raise OAuthGuardError("the application doesn't include pyramid_oauthguard.server")
    return service


def _lift_time_limits(registry: Any) -> None:
    """An operator waits for as long as pruning a large database takes, and can end it."""
    service = registry.queryUtility(IService)
    lift = getattr(service.store, "lift_time_limits", None) if service is not None else None
    if lift is not None:
        lift()


def _close_store(registry: Any) -> None:
    service = registry.queryUtility(IService)
    close = getattr(service.store, "close", None) if service is not None else None
    if close is not None:  # a store of the application's own need not have one
        close()


def _find_operator() -> str:
    """The account of this process; not what the environment says, which anybody may write."""
    try:
        return _read_account()
    except (OSError, KeyError):  # an account without a name
        return f"uid-{os.getuid()}" if hasattr(os, "getuid") else "unknown"


def _read_account() -> str:
    if not hasattr(os, "getuid"):
        return getpass.getuser()
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name
