"""The key that a client and the server share: from a file, from standard input, or asked for; never from the command line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ...client.errors import CommandError
from ...exit_status import USAGE
from ...private_files import DIFFERENT_IN_KEYS, read_secret_file
from ...server.clients.key_sources.shared import check_shared_key
from ...server.clients.registry import RegistrationError
from ..completing import complete_files

__all__ = ["shared_key_option"]

_OPTION = "--shared-key-file"
_HELP = (
    "A file with the key of its assertions with HS256 (32 bytes or more; line ends after it do not count), - for standard "
    "input, where a terminal asks for it without showing it."
)


def shared_key_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """``shared_key``: the key as bytes, or None without the option."""
    command = click.option("--shared-key", "typed_key", hidden=True, expose_value=False, callback=_refuse)(command)
    return click.option(
        _OPTION, "shared_key", metavar="FILE", callback=_read, shell_complete=complete_files, help=_HELP
    )(command)


def _refuse(_ctx: click.Context, _param: click.Parameter, value: str | None) -> None:
    if value is not None:
        problem = "--shared-key does not exist: other users can see a command line in ps, and the shell keeps it in its history"
        raise CommandError(USAGE, problem, f"use {_OPTION} FILE or {_OPTION} -, and replace the key if you typed it")


def _read(_ctx: click.Context, _param: click.Parameter, path: str | None) -> bytes | None:
    """:raises RegistrationError: it can't be read, or is not such a key. The message has nothing of it."""
    if path is None:
        return None
    try:
        key = _read_input() if path == "-" else read_secret_file(Path(path).expanduser(), different=DIFFERENT_IN_KEYS)
    except OSError as error:
        raise RegistrationError("shared_key", f"can't be read from {path}: {error.strerror}") from None
    except ValueError as error:
        raise RegistrationError("shared_key", f"can't be read from {path}: it {error}") from None
    key = key.rstrip(b"\r\n")
    check_shared_key(key)
    return key


def is_terminal() -> bool:
    """Whether a person can be asked."""
    return sys.stdin.isatty()


def _read_input() -> bytes:
    if is_terminal():
        return str(click.prompt("Shared key", hide_input=True, err=True)).encode()
    return sys.stdin.buffer.read()
