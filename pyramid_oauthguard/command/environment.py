"""What the environment and the ``.env`` of the working folder say, and which paths in them are refused."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ..client.errors import CommandError
from ..client.options import as_names, expand_path
from ..client.storage.dotenv import read_dotenv
from ..exit_status import USAGE
from .output import Console

__all__ = ["find_path", "read_environment", "read_folder"]


def read_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The options in environment variables. :raises CommandError: the file of the secret is a link in the working folder."""
    found = as_names(environ)
    path = found.get("client_secret_file", "-")
    if path != "-" and not expand_path(path).is_absolute() and _has_link(path):
        text = f"OAUTHGUARD_CLIENT_SECRET_FILE is {path}, which is a link in this folder and may lead to any file"
        raise CommandError(USAGE, text, "name the file itself, with an absolute path")
    return found


def read_folder(console: Console) -> dict[str, str]:
    """The options in the ``.env`` of the working folder. Says which of its lines are ignored."""
    found = read_dotenv(Path(".env"))
    if found.ignored:
        names = ", ".join(found.ignored)
        console.say(f"{names} in .env: ignored. The .env of a folder may not name files, logins or tokens.")
    return as_names(found.values)


def find_path(environ: Mapping[str, str], variable: str) -> str | None:
    """The path in ``variable``, or None. A relative one would let each working folder put its own file there.

    :raises CommandError: it is relative.
    """
    path = environ.get(variable, "").strip()
    if path and not expand_path(path).is_absolute():
        text = f"{variable} must be an absolute path: {path} is another file in each folder"
        raise CommandError(USAGE, text, "begin it with / or ~/")
    return str(expand_path(path)) if path else None


def _has_link(path: str) -> bool:
    """Whether a relative path leads through a symbolic link below the working folder."""
    return os.path.realpath(path) != os.path.normpath(Path.cwd().resolve() / path)
