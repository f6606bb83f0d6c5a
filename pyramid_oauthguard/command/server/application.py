"""The application of an ini file, for as long as a command needs it."""

from __future__ import annotations

import contextlib
import getpass
import os
import sys
from collections.abc import Iterator
from typing import Any

from pyramid.scripting import prepare

from ...errors import OAuthGuardError, UnavailableError
from ...server.request_ids import label_command
from ...server.service import IService, Service
from ...server.settings import PREFIX
from ..application_file import load_registry

__all__ = ["explain_storage", "open_application", "require_service"]


@contextlib.contextmanager
def open_application(ini: str) -> Iterator[Any]:
    """The registry of the started application. The audit trail names the operator for what is done inside.

    :raises OAuthGuardError: it can't start, or has no authorization server; the text says why.
    """
    registry = load_registry(ini)
    require_service(registry)
    # What a subscriber of the application prints is not a part of the data.
    with contextlib.redirect_stdout(sys.stderr), explain_storage(), prepare(registry=registry) as found:
        label_command(found["request"], _load_operator())
        _lift_time_limits(registry)
        try:
            yield registry
        finally:
            _close_store(registry)


@contextlib.contextmanager
def explain_storage() -> Iterator[None]:
    """Name the setting of a database that can't be used."""
    try:
        yield
    except UnavailableError as error:
        if error.reason != "storage":
            raise
        text = f"the database can't be used ({error.detail}): is it running, and is {PREFIX}.sqlalchemy.url right?"
        raise error.repeat(text) from error


def require_service(registry: Any) -> Service:
    """:raises OAuthGuardError: the application has no authorization server."""
    service: Service | None = registry.queryUtility(IService)
    if service is None:
        raise OAuthGuardError("the application does not include pyramid_oauthguard.server")
    return service


def _lift_time_limits(registry: Any) -> None:
    """Pruning a large database takes long, and an operator can end it."""
    service = registry.queryUtility(IService)
    lift = getattr(service.store, "lift_time_limits", None) if service is not None else None
    if lift is not None:
        lift()


def _close_store(registry: Any) -> None:
    service = registry.queryUtility(IService)
    close = getattr(service.store, "close", None) if service is not None else None
    if close is not None:  # a store of the application may have no such method
        close()


def _load_operator() -> str:
    """The name of the account of this process. The environment is not used, since any caller can change it."""
    try:
        return _read_account()
    except (OSError, KeyError):  # an account without a name
        return f"uid-{os.getuid()}" if hasattr(os, "getuid") else "unknown"


def _read_account() -> str:
    if not hasattr(os, "getuid"):
        return getpass.getuser()
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name
