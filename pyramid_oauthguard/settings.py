"""Settings as tables: one row a key, parsed once at start-up into a frozen dataclass.

A package declares a dataclass and a tuple of :class:`Setting` rows; ``cache.jwks.*`` collects all keys below it
into a dict of strings. A key ``a.b`` fills the field ``a_b``.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from .errors import SettingError
from .private_files import read_secret_file
from .urls import check_url

__all__ = [
    "REQUIRED",
    "Setting",
    "as_bool",
    "as_callable",
    "as_choice",
    "as_duration",
    "as_duration_within",
    "as_int",
    "as_list",
    "as_some_of",
    "as_str",
    "as_url",
    "is_quoted",
    "parse",
]

T = TypeVar("T")
REQUIRED: Final = object()
_COMMENTS: Final = ("#", ";", "//")
_VARIABLE: Final = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")
_NOT_REPLACED: Final = (
    "has a variable such as ${NAME}, which nothing has replaced: an ini file does not read the environment"
)
_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of a table.

    :ivar name: the key below the prefix of the package; a trailing ``.*`` takes every key below it.
    :ivar convert: from the ini's string (or an already typed value) to the value; ValueError says what is wrong.
    :ivar default: the value when the key is absent or empty; ``REQUIRED`` when it must be there.
    :ivar help: one sentence for the documentation.
    :ivar secret: never echoed, and ``<name>_file`` reads it from a file.
    """

    name: str
    convert: Callable[[Any], Any]
    default: Any
    help: str
    secret: bool = False

    @property
    def field(self) -> str:
        return self.name.removesuffix(".*").replace(".", "_")


def parse(
    table: Iterable[Setting],
    settings: Mapping[str, Any],
    prefix: str,
    *,
    into: type[T],
    foreign: tuple[str, ...] = (),
) -> T:
    """Read the rows of ``table`` from ``settings`` into the dataclass ``into``.

    :param prefix: what all keys begin with, without the dot: ``"oauthguard"``.
    :param foreign: beginnings (below the prefix) that belong to another table: ``("server.",)``.
    :raises SettingError: naming the key that is missing, unknown, or wrong.
    """
    rows = tuple(table)
    given = _find_given(settings, prefix, foreign)
    _check_known(rows, given, prefix)
    return into(**{row.field: _read(row, given, prefix) for row in rows})


def _find_given(settings: Mapping[str, Any], prefix: str, foreign: tuple[str, ...]) -> dict[str, Any]:
    start = prefix + "."
    below = {key.removeprefix(start): value for key, value in settings.items() if key.startswith(start)}
    return {key: value for key, value in below.items() if not key.startswith(foreign or ("\0",))}


def _check_known(rows: tuple[Setting, ...], given: Mapping[str, Any], prefix: str) -> None:
    known = {row.name for row in rows if not row.name.endswith(".*")}
    known |= {row.name + "_file" for row in rows if row.secret}
    trees = tuple(row.name.removesuffix("*") for row in rows if row.name.endswith(".*"))
    for key, value in given.items():
        _check_readable(value, f"{prefix}.{key}")
        if key not in known and not (trees and key.startswith(trees)):
            near = difflib.get_close_matches(key, [*known, *trees], 1)
            hint = f"did you mean {prefix}.{near[0].rstrip('.')}?" if near else "see the list of settings"
            raise SettingError(f"{prefix}.{key}", "is not a setting", hint)


def _read(row: Setting, given: Mapping[str, Any], prefix: str) -> Any:
    if row.name.endswith(".*"):
        start = row.name.removesuffix("*")
        tree = {key.removeprefix(start): value for key, value in given.items() if key.startswith(start)}
        return _convert(row, tree, f"{prefix}.{row.name}") if tree else row.default
    key = f"{prefix}.{row.name}"
    value = _read_secret(row, given, key) if row.secret else given.get(row.name)
    if value is None or (isinstance(value, str) and not value.strip()):
        if row.default is REQUIRED:
            raise SettingError(key, "is required", row.help)
        return row.default
    return _convert(row, value, key)


def _check_readable(value: Any, key: str) -> None:
    """:raises SettingError: it has a NUL character, or a variable of a shell or a compose file, which nothing replaces here."""
    if isinstance(value, str) and "\0" in value:
        raise SettingError(key, "has a NUL character, which no setting may contain", "save the file as UTF-8")
    if isinstance(value, str) and _VARIABLE.search(value):
        raise SettingError(
            key, _NOT_REPLACED, "set the value where the settings are made, or, of a secret, name a file"
        )


def _read_secret(row: Setting, given: Mapping[str, Any], key: str) -> Any:
    path = given.get(row.name + "_file")
    if not path:
        return given.get(row.name)
    if given.get(row.name):
        raise SettingError(key, f"is given twice: here and as {key}_file", "keep one of them")
    try:
        content = read_secret_file(Path(path))
    except OSError as error:
        raise SettingError(f"{key}_file", f"can't be read: {error.strerror}", f"the file is {path}") from None
    except (ValueError, TypeError) as error:
        problem = str(error) if isinstance(path, (str, Path)) else "is not a path"
        raise SettingError(f"{key}_file", problem, f"the file is {path}") from None
    try:
        return content.decode("utf-8-sig").rstrip("\r\n")  # some editors begin a file with a byte order mark
    except UnicodeDecodeError:
        raise SettingError(f"{key}_file", "can't be read: it is not UTF-8 text", f"the file is {path}") from None


def _convert(row: Setting, value: Any, key: str) -> Any:
    try:
        return row.convert(value)
    except (ValueError, TypeError) as error:
        if row.secret:  # not even the exception's context may carry the value
            kind = "" if isinstance(value, str) else f": it must be text, not {type(value).__name__}"
            raise SettingError(key, f"is not usable as a secret{kind}") from None
        raise SettingError(key, str(error)) from error


def as_str(value: Any) -> str:
    """Text, without the white space around it."""
    if not isinstance(value, str):
        raise ValueError(f"must be text, not {type(value).__name__}")
    return value.strip()


def as_list(value: Any) -> tuple[str, ...]:
    """Whitespace- or newline-separated words."""
    if isinstance(value, str):
        words = tuple(value.split())
        _check_words(words)
        return words
    if isinstance(value, (list, tuple, set, frozenset)) and all(isinstance(word, str) for word in value):
        return tuple(value)
    raise ValueError("must be a whitespace-separated list of words")


def _check_words(words: Iterable[str]) -> None:
    """:raises ValueError: it looks like a list of another language, whose signs would be part of the words."""
    for word in words:
        if word[-1] == "," or word[0] == ",":
            raise ValueError(f"must have white space between its elements and no commas; look at {word!r}")
        if word in _COMMENTS:
            raise ValueError(
                f"must have no comment in the line of a value: {word!r} and what follows would be elements"
            )
        if is_quoted(word):
            raise ValueError(f"must be without quotes: an ini file does not remove them; look at {word!r}")


def is_quoted(text: str) -> bool:
    """Whether a value has the quotes of another language, which are part of it in an ini file."""
    return text[:1] in ("'", '"') or text.startswith(('["', "['"))


def as_bool(value: Any) -> bool:
    """``true``, ``yes``, ``on``, ``1`` or their opposites; anything else is an error, not false."""
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in {"true", "yes", "on", "1"}:
        return True
    if text in {"false", "no", "off", "0"}:
        return False
    raise ValueError(f"must be true or false, not {value!r}")


def as_int(value: Any) -> int:
    """A whole number, zero or more."""
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError(f"must be a whole number, not {value!r}")
    try:
        number = int(value)
    except (ValueError, TypeError):
        raise ValueError(f"must be a whole number, not {value!r}") from None
    if number < 0:
        raise ValueError(f"must not be negative: {number}")
    return number


def as_duration(value: Any) -> float:
    """Seconds as a number, or ``30s``, ``5m``, ``1h``, ``7d``."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        seconds = float(value)
    else:
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd]?)", str(value).strip(), re.ASCII)
        if match is None:
            raise ValueError(f"must be a duration such as 30, 30s, 5m, 1h or 7d, not {value!r}")
        seconds = float(match[1]) * _UNITS[match[2]]
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError(f"must be a duration of zero or more seconds, not {value!r}")
    return seconds


def as_duration_within(least: float, most: float, text: str) -> Callable[[Any], float]:
    """A converter that takes durations of ``least`` to ``most`` seconds. ``text`` says so to people: ``"1 second to 1 hour"``."""

    def convert(value: Any) -> float:
        seconds = as_duration(value)
        if not least <= seconds <= most:
            raise ValueError(f"must be {text}, not {value!r}")
        return seconds

    return convert


def as_callable(value: Any) -> Any:
    """A callable, or its dotted name."""
    from pyramid.path import DottedNameResolver  # not for --help of the command, which reads durations

    try:
        found = DottedNameResolver(None).maybe_resolve(value)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"can't be imported: {error}") from error
    if not callable(found):
        raise ValueError(f"must name a callable, not {value!r}")
    return found


def as_some_of(kind: str, choices: Iterable[str], *, hint: str = "") -> Callable[[Any], tuple[str, ...]]:
    """A converter that takes a list of one or more of ``choices``.

    :param kind: what they are, for messages: ``"algorithm"``.
    :param hint: what a message adds about other values.
    """
    known = tuple(choices)

    def convert(value: Any) -> tuple[str, ...]:
        names = as_list(value)
        for name in names:
            if name not in known:
                raise ValueError(f"{name!r} is not one of {' '.join(known)}{hint}")
        if not names:
            raise ValueError(f"must name at least one {kind}")
        return names

    return convert


def as_choice(*choices: str) -> Callable[[Any], str]:
    """A converter that takes one of ``choices`` and suggests the nearest for anything else."""

    def convert(value: Any) -> str:
        text = str(value).strip()
        if text in choices:
            return text
        near = difflib.get_close_matches(text.lower(), choices, 1)
        near = near or [each for each in choices if text and text.lower() in each]
        hint = f"; did you mean {near[0]!r}?" if len(near) == 1 else ""
        raise ValueError(f"must be one of {', '.join(choices)}, not {text!r}{hint}")

    return convert


def as_url(value: Any) -> str:
    """A URL that :func:`check_url` accepts."""
    url = as_str(value)
    check_url(url)
    return url
