"""The ``.env`` file of the working directory."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ...exit_status import USAGE
from ..errors import CommandError

__all__ = ["Dotenv", "read_dotenv"]

_TAKEN: Final = frozenset(
    f"OAUTHGUARD_{name}"
    for name in ("ISSUER", "CLIENT_ID", "CLIENT_SECRET", "SCOPE", "AUDIENCE", "RESOURCE", "AUTH_METHOD")
)
# If a folder could name a file, a login or a token, it could make the command send that file or use that login or token.
_IGNORED: Final = frozenset(
    f"OAUTHGUARD_{name}" for name in ("CLIENT_SECRET_FILE", "CA_FILE", "TOKEN", "PROFILE", "HOME")
)
_COMMENT: Final = re.compile(r"\s#")
_LARGEST_BYTES: Final = 65536
_ADVICE: Final = "repair it or work in another folder"


@dataclass(frozen=True, slots=True)
class Dotenv:
    """What a ``.env`` says about this command.

    :ivar values: the settings that a folder may name, by variable.
    :ivar ignored: the variables of this command that a folder may not name.
    """

    values: Mapping[str, str] = field(repr=False)
    ignored: tuple[str, ...] = ()


def read_dotenv(path: Path) -> Dotenv:
    """The settings of the command in ``path``; nothing if the file does not exist. Parent folders are not searched.

    Values are taken as they are, with one pair of quotes around them removed: nothing is expanded or run.

    :raises CommandError: the file can't be read, is another user's, or lies outside its folder.
    """
    if not _is_file(path):
        return Dotenv({})  # there is no file, or it is a folder or FIFO
    try:
        with path.open("rb") as file:
            owner = os.fstat(file.fileno()).st_uid
            data = file.read(_LARGEST_BYTES + 1)
        text = data.decode("utf-8-sig")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise CommandError(USAGE, f"{path} can't be read: {why}", _ADVICE) from error
    found = dict(_parse(text))
    if found:
        _check_file(path, owner, size=len(data))
    return Dotenv(
        {name: value for name, value in found.items() if name in _TAKEN},
        tuple(sorted(name for name in found if name in _IGNORED)),
    )


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # this user may not search the folder: nothing in it can be read, so nothing in it counts
        return False


def _check_file(path: Path, owner: int, *, size: int) -> None:
    if size > _LARGEST_BYTES:
        raise CommandError(USAGE, f"{path} is longer than {_LARGEST_BYTES} bytes", _ADVICE)
    if hasattr(os, "getuid") and owner not in (os.getuid(), 0):
        raise CommandError(USAGE, f"{path} belongs to another user", "remove it or work in another folder")
    # A link could take the secrets of another folder, and this command would send them to the issuer of this one.
    if not path.resolve().is_relative_to(path.parent.resolve()):
        raise CommandError(USAGE, f"{path} is a link to a file outside of this folder", "put a copy in its place")


def _parse(text: str) -> Iterator[tuple[str, str]]:
    """The lines that name a variable of this command. Only a line feed ends a line, as in every editor."""
    for line in text.split("\n"):
        left, equals, value = line.partition("=")
        words = left.split()
        name = words[-1] if words else ""
        if equals and words[:-1] in ([], ["export"]) and name in _TAKEN | _IGNORED:
            yield name, _unquote(value.strip())


def _unquote(value: str) -> str:
    """``value`` without quotes and without the comment after it."""
    quote = value[:1]
    if quote in ('"', "'"):
        end = re.search(rf"{quote}\s+#", value[1:])
        if end:
            return value[1 : end.start() + 1]
        if len(value) > 1 and value.endswith(quote):
            return value[1:-1]
    comment = _COMMENT.search(value)
    return value[: comment.start()].rstrip() if comment else value
