"""Why the application of an ini file does not start, in one line."""

from __future__ import annotations

import codecs
import configparser
import re
import traceback
from pathlib import Path
from typing import Final

from pyramid.exceptions import ConfigurationExecutionError

from ..errors import OAuthGuardError, SettingError

__all__ = ["explain_failed_start"]

_MOST_CHARS: Final = 400
_LARGEST_INI_BYTES: Final = 1_048_576
_HINTS: Final = {
    "LoaderNotFound": "the name of an ini file ends in .ini",
    "LookupError": "the part after # is the name of a section: production.ini#main",
}
_SAVE: Final = "save it as UTF-8 without a byte order mark"
#: How PasteDeploy begins the text of an error of interpolation.
_IN_FILE: Final = re.compile(r"Error in file (.+?\.ini): ", re.DOTALL)


def explain_failed_start(ini: str, error: Exception) -> OAuthGuardError:
    """The error of a setting, unchanged. Any other error gets the name of the file, or of the setting that can't be read."""
    cause = error.evalue if isinstance(error, ConfigurationExecutionError) else error
    if isinstance(cause, OAuthGuardError):
        return cause  # it already names its key
    if isinstance(cause, configparser.InterpolationError):
        problem = f"does not start: [{cause.section}] has a % that is not part of a %(name)s which the file defines"
        return SettingError(f"{_find_file(ini, cause)}: {cause.option}", problem, "write %% for a % of the value")
    file = _find_file(ini, cause)
    kind = type(cause).__name__
    if isinstance(cause, UnicodeDecodeError | configparser.MissingSectionHeaderError) and (
        wrong := _describe_encoding(file.partition("#")[0])
    ):
        return SettingError(file, f"does not start: {wrong}", _SAVE)
    text = " ".join(_find_text(cause).split())
    text = text if len(text) <= _MOST_CHARS else text[:_MOST_CHARS] + "…"
    return SettingError(file, f"does not start: {kind}: {text}".rstrip(": "), _HINTS.get(kind, ""))


def _find_file(ini: str, cause: BaseException) -> str:
    """The file that is wrong: ``ini``, or another one that it uses (``use = config:base.ini``)."""
    named = _IN_FILE.match(str(cause.args[0])) if cause.args else None
    found = named[1] if named else _find_read(cause)
    return ini if found is None or Path(found).absolute() == Path(ini.partition("#")[0]).absolute() else found


def _find_read(cause: BaseException) -> str | None:
    """The ini file that was being read when ``cause`` was raised; None if it was raised later."""
    for frame, _line in traceback.walk_tb(cause.__traceback__):
        if frame.f_globals.get("__name__") == "paste.deploy.loadwsgi":
            found = frame.f_locals.get("filename")
            if isinstance(found, str):
                return found
    return None


def _describe_encoding(file: str) -> str | None:
    """What is wrong with the encoding of an ini file; None if it is UTF-8 without a mark, or can't be read."""
    try:
        with Path(file).open("rb") as opened:
            data = opened.read(_LARGEST_INI_BYTES)
    except OSError:
        return None
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "it is in UTF-16"
    if data.startswith(codecs.BOM_UTF8):
        return "it begins with a byte order mark, which makes its first line unreadable"
    for number, line in enumerate(data.split(b"\n"), 1):
        try:
            line.decode("utf-8")
        except UnicodeDecodeError:
            return f"line {number} is not UTF-8 text"
    return None


def _find_text(cause: BaseException) -> str:
    """The text of the error without the lines and values of the file, which may be secrets."""
    if isinstance(cause, configparser.MissingSectionHeaderError):
        return f"line {cause.lineno} is before the first section"
    if isinstance(cause, configparser.ParsingError):
        return f"neither a section nor a setting: line {', '.join(str(number) for number, _line in cause.errors)}"
    return str(cause)
