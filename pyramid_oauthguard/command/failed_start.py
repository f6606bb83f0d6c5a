"""Why the application of an ini file does not start, in one line."""

from __future__ import annotations

import configparser
from typing import Final

from pyramid.exceptions import ConfigurationExecutionError

from ..errors import OAuthGuardError, SettingError

__all__ = ["explain_failed_start"]

_MOST_CHARS: Final = 400
_HINTS: Final = {
    "LoaderNotFound": "the name of an ini file ends in .ini",
    "LookupError": "the part after # is the name of a section: production.ini#main",
}


def explain_failed_start(ini: str, error: Exception) -> OAuthGuardError:
    """The error of a setting, unchanged. Any other error gets the name of the file, or of the setting that can't be read."""
    cause = error.evalue if isinstance(error, ConfigurationExecutionError) else error
    if isinstance(cause, OAuthGuardError):
        return cause  # it already names its key
    if isinstance(cause, configparser.InterpolationError):
        problem = f"does not start: [{cause.section}] has a % that is not part of a %(name)s which the file defines"
        return SettingError(f"{ini}: {cause.option}", problem, "write %% for a % of the value")
    kind = type(cause).__name__
    text = " ".join(_find_text(cause).split())
    text = text if len(text) <= _MOST_CHARS else text[:_MOST_CHARS] + "…"
    return SettingError(ini, f"does not start: {kind}: {text}".rstrip(": "), _HINTS.get(kind, ""))


def _find_text(cause: BaseException) -> str:
    """The text of the error without the lines and values of the file, which may be secrets."""
    if isinstance(cause, configparser.MissingSectionHeaderError):
        return f"line {cause.lineno} is before the first section"
    if isinstance(cause, configparser.ParsingError):
        return f"neither a section nor a setting: line {', '.join(str(number) for number, _line in cause.errors)}"
    return str(cause)
