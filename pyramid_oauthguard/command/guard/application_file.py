"""The application of an ini file, started for a command: in silence, and with one line where it does not start."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pyramid.config import global_registries
from pyramid.paster import get_app

from ...errors import SettingError
from ..failed_start import explain_failed_start

__all__ = ["load_registry", "silence"]


def load_registry(ini: str) -> Any:
    """Start the application of an ini file; its registry.

    :param ini: the path, and ``#name`` behind it for a section other than ``[app:main]``.
    :raises SettingError: a setting is wrong; or, under the file's name, why else the application does not start.
    """
    if not Path(ini.partition("#")[0]).is_file():
        raise SettingError(ini.partition("#")[0], "is no file")
    before = global_registries.last
    try:
        with contextlib.redirect_stdout(sys.stderr):  # where data goes nobody else prints
            app = get_app(ini)
    except Exception as error:
        raise explain_failed_start(ini, error) from error
    if hasattr(app, "registry"):
        return app.registry
    made = global_registries.last  # inside middleware it is the one just made
    if made is None or made is before:
        raise SettingError(ini, "holds no Pyramid application")
    return made


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Keep from the terminal what the application logs and nobody handles: the command has its own words for it."""
    logger, nobody = logging.getLogger(), logging.NullHandler()
    logger.addHandler(nobody)
    try:
        yield
    finally:
        logger.removeHandler(nobody)
