"""Where a start-up error comes from: the line of an ini file, and the call of ``config.include``, ``config.add_view`` or a
directive in the application.

Pyramid runs most of a configuration long after the calls that it is made of. What is needed to name the call, or the file
from which the settings came, is still in the frames of the running functions. They are looked at when there is an error, and
only then.
"""

from __future__ import annotations

import linecache
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final

__all__ = ["Call", "describe_call", "find_call", "find_line", "find_place", "find_setting", "write_last_line"]

_CONFIG: Final = "pyramid.config"
_ACTIONS: Final = f"{_CONFIG}.actions"
_NOT_OF_APPLICATIONS: Final = frozenset({"pyramid", "pyramid_oauthguard", "venusian", "zope"})
#: What Pyramid's functions call the place of the action that they work at.
_INFOS: Final = ("info", "action_info")
_LARGEST_INI_BYTES: Final = 1_048_576
_USES: Final = re.compile(r"use\s*[=:]\s*config:([^#\s]+)", re.IGNORECASE)
_MOST_FILES: Final = 10


@dataclass(frozen=True, slots=True)
class Call:
    """One line of the application.

    :ivar info: what Pyramid knows of the call there (its ActionInfo), or None.
    """

    file: str
    line: int
    function: str
    source: str
    info: Any = None


def find_call() -> Call | None:
    """The call in the application for which the running code runs, or None where Pyramid configures nothing.

    Where Pyramid says at which action it works, that action's call; otherwise the line that is running.
    """
    frames = list(_walk(sys._getframe(1)))
    if not any(_is_in(frame, _CONFIG) for frame in frames):
        return None
    found = (_find_info(frame) for frame in frames if _is_in(frame, _ACTIONS))
    return next((each for each in found if each is not None), None) or find_line()


def find_line() -> Call | None:
    """The line of the application that is running, or None."""
    for frame in _walk(sys._getframe(1)):
        if frame.f_globals.get("__name__", "").partition(".")[0] not in _NOT_OF_APPLICATIONS:
            file, line = frame.f_code.co_filename, frame.f_lineno
            return Call(file, line, frame.f_code.co_name, linecache.getline(file, line).strip())
    return None


def find_setting(key: str) -> str:
    """``/srv/app.ini, line 12``: where the settings come from, without the line where ``key`` is not in the file.

    The file is known by the ``global_config`` with which PasteDeploy calls an application. Empty where there is none. It has what
    the file sets in [DEFAULT], which is not a part of the settings of an application.
    """
    for frame in _walk(sys._getframe(1)):
        for value in tuple(frame.f_locals.values()):
            if type(value) is dict and isinstance(file := value.get("__file__"), str) and "here" in value:
                found = find_place(Path(file), key)
                place = f"{found[0]}, line {found[1]}" if found else file
                return f"{place}, in [DEFAULT] and not in the section of the application" if key in value else place
    return ""


def find_place(ini: Path, key: str) -> tuple[Path, int] | None:
    """The file and the line that set the key: the ini file, or one that it uses (``use = config:base.ini``). None if no line or
    several lines set it.
    """
    own = _find_lines(ini, key)
    found = [(ini, line) for line in own] or [
        (file, line) for file in _list_used(ini) for line in _find_lines(file, key)
    ]
    return found[0] if len(found) == 1 else None


def _find_lines(ini: Path, key: str) -> list[int]:
    pattern = re.compile(rf"{re.escape(key)}\s*[=:]", re.IGNORECASE)
    return [number for number, line in enumerate(_read_lines(ini), 1) if pattern.match(line)]


def _list_used(ini: Path) -> list[Path]:
    """The files that an ini file uses, and those that these use."""
    found = [ini]
    for file in found:
        used = [file.parent / match[1] for match in map(_USES.match, _read_lines(file)) if match]
        found += [each for each in dict.fromkeys(used) if each not in found and len(found) < _MOST_FILES]
    return found[1:]


def _read_lines(ini: Path) -> list[str]:
    try:
        return [] if ini.stat().st_size > _LARGEST_INI_BYTES else ini.read_text("utf-8", "replace").split("\n")
    except OSError:
        return []


def describe_call(call: Any) -> str:
    """``/srv/app/views.py, line 12`` of a :class:`Call`, or of an ActionInfo of Pyramid's; empty if there is no file."""
    return f"{call.file}, line {call.line}" if getattr(call, "file", None) else ""


def write_last_line(call: Call | None, text: str) -> None:
    """Make ``text`` the last line that Pyramid prints of an error at this call; by itself it ends with source code."""
    if call is not None and call.info is not None:
        call.info.src = f"{call.source}\n{text}"


def _walk(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _is_in(frame: FrameType, package: str) -> bool:
    name: str = frame.f_globals.get("__name__", "")
    return name == package or name.startswith(f"{package}.")


def _find_info(frame: FrameType) -> Call | None:
    action = frame.f_locals.get("action")
    infos: list[Any] = [frame.f_locals.get(name) for name in _INFOS]
    for info in (*infos, action.get("info") if isinstance(action, dict) else None):
        if getattr(info, "file", None) and isinstance(getattr(info, "src", None), str):
            source = info.src.partition("\n")[0]
            return Call(info.file, info.line, info.function, source, info)
    return None
