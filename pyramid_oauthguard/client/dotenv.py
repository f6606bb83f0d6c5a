"""The ``.env`` file of the working directory."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from .errors import USAGE, CommandError

__all__ = ["read_dotenv"]

# Not the names of files: a hostile folder's .env could have any file of the user sent to its own issuer.
_TAKEN: Final = frozenset(
    f"OAUTHGUARD_{name}"
    for name in ("ISSUER", "CLIENT_ID", "CLIENT_SECRET", "SCOPE", "AUDIENCE", "RESOURCE", "AUTH_METHOD")
)
_LINE: Final = re.compile(r"\s*(?:export\s+)?(\w+)\s*=\s*(.*?)\s*")
_QUOTED: Final = re.compile(r"""(["'])(.*)\1(?:\s+#.*)?""")
_LARGEST: Final = 65536


def read_dotenv(path: Path) -> Mapping[str, str]:
    """The settings of the command in ``path``; nothing where there is no such file.

    Values are taken as they are, with one pair of quotes around them removed: nothing is expanded or run.

    :raises CommandError: the file can't be read, or another user of this machine wrote it.
    """
    if not path.is_file():
        return {}  # none, or a folder or FIFO of that name
    try:
        with path.open("rb") as file:
            owner = os.fstat(file.fileno()).st_uid
            data = file.read(_LARGEST)
        text = data.decode("utf-8-sig")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise CommandError(USAGE, f"{path} can't be read: {why}", "repair it or work in another folder") from error
    found = dict(_parse(text))
    if found and hasattr(os, "getuid") and owner not in (os.getuid(), 0):
        raise CommandError(USAGE, f"{path} belongs to another user", "remove it or work in another folder")
    return found


def _parse(text: str) -> list[tuple[str, str]]:
    found = []
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match and match[1] in _TAKEN:
            found.append((match[1], _unquote(match[2])))
    return found


def _unquote(value: str) -> str:
    quoted = _QUOTED.fullmatch(value)
    return quoted[2] if quoted else re.split(r"\s+#", value, maxsplit=1)[0]
