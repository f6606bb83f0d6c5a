"""The application of an ini file, for a verb: started, or only its settings. One line says why it does not start."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pyramid.config import global_registries
from pyramid.paster import get_app, get_appsettings, setup_logging

from ..errors import SettingError
from .failed_start import explain_failed_start

__all__ = ["load_registry", "load_settings"]


def load_registry(ini: str) -> Any:
    """Start the application of an ini file. Its registry.

    What the application prints goes to standard error.

    :param ini: the path; with ``#name`` after it for a section other than ``[app:main]``.
    :raises SettingError: a setting is wrong, or the application does not start for another reason.
    """
    before = global_registries.last
    with _explaining(ini), contextlib.redirect_stdout(sys.stderr):
        app = get_app(ini)
    if hasattr(app, "registry"):
        return app.registry
    made = global_registries.last  # the application is inside middleware: its registry is the one just made
    if made is None or made is before:
        raise SettingError(ini, "is not a Pyramid application")
    return made


def load_settings(ini: str) -> dict[str, Any]:
    """The settings of an application that is not started. Logging is set up as the file says.

    :raises SettingError: the file can't be read.
    """
    with _explaining(ini):
        setup_logging(ini)
        return dict(get_appsettings(ini))


@contextlib.contextmanager
def _explaining(ini: str) -> Iterator[None]:
    """:raises OAuthGuardError: anything that is wrong with the file or its application, on one line."""
    path = ini.partition("#")[0]
    if not Path(path).is_file():
        raise SettingError(path, "is not a file")
    try:
        yield
    except Exception as error:
        raise explain_failed_start(ini, error) from error
