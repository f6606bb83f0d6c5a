"""Where secrets and tokens come from: the environment, a file, standard input, the keyring. Never a flag."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Final

from ...exit_status import USAGE
from ...private_files import read_secret_file
from ..errors import CommandError
from ..options import DOTENV, ClientOptions, Source, expand_path
from ..recipients import Credential
from ..tokens import is_token
from .vaults import KeyringVault, VaultError

__all__ = ["load_client_secret", "load_token", "read_token"]

_MOST_BYTES: Final = 1_048_576
_SECRET: Final = "the client secret"  # noqa: S105  # its name
_TOKEN: Final = "the token"  # noqa: S105  # its name


def load_client_secret(options: ClientOptions, sources: tuple[Source, ...]) -> Credential | None:
    """The client's secret, or None for a public client. Does not decide who may receive it.

    :raises CommandError: it can't be read.
    """
    for source in sources:
        if "client_secret_file" in source.values:
            path = source.values["client_secret_file"]
            return Credential(text=_read_secret(path), name=_SECRET, place=_describe_path(path))
        if "client_secret" in source.values:
            is_dotenv = source.origin == DOTENV
            place = DOTENV if is_dotenv else "OAUTHGUARD_CLIENT_SECRET"
            return Credential(text=source.values["client_secret"], name=_SECRET, place=place, is_dotenv=is_dotenv)
    if options.auth_method == "none" or not (options.issuer and options.client_id):
        return None
    try:
        found = KeyringVault().load(f"{options.client_id}@{options.issuer}")
    except VaultError:
        return None  # such a client is probably public, so the keyring is not asked
    return Credential(text=found, name=_SECRET, place="the keyring") if found else None


def load_token(environ: Mapping[str, str], path: str | None) -> Credential | None:
    """The token out of ``path`` ("-" is standard input) or ``OAUTHGUARD_TOKEN``; None if there is neither."""
    if path is not None:
        return Credential(text=read_token(_read_file(path, _TOKEN), path), name=_TOKEN, place=_describe_path(path))
    raw = environ.get("OAUTHGUARD_TOKEN", "").strip()
    if not raw:
        return None
    return Credential(text=read_token(raw, "OAUTHGUARD_TOKEN"), name=_TOKEN, place="OAUTHGUARD_TOKEN")


def read_token(text: str, origin: str) -> str:
    """The token in ``text``: alone, after ``Bearer``, or in the JSON a token endpoint answers.

    :raises CommandError: it contains none. The message does not repeat ``text``.
    """
    words = text.split()
    if [word.lower() for word in words[:-1]] in (["bearer"], ["authorization:", "bearer"]):
        words = words[-1:]
    if text.lstrip().startswith("{"):
        words = [_find_in_json(text)]
    if len(words) != 1 or not is_token(words[0]):
        where = _describe_path(origin)
        found = "nothing" if not words else "something else"
        raise CommandError(USAGE, f"expected one token from {where} and found {found}")
    return words[0]


def _find_in_json(text: str) -> str:
    try:
        found = json.loads(text)["access_token"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return found if isinstance(found, str) else ""


def _read_secret(path: str) -> str:
    if path == "-":
        return _read_file(path, _SECRET)
    try:
        text = read_secret_file(expand_path(path)).decode("utf-8-sig").strip("\r\n")
    except UnicodeDecodeError as error:
        raise CommandError(USAGE, f"{_SECRET} can't be read from {path}: it is not UTF-8 text") from error
    except ValueError as error:
        advice = "a pipe is read with - instead of a path"
        raise CommandError(USAGE, f"{_SECRET} can't be read from {path}: it {error}", advice) from error
    except OSError as error:
        raise CommandError(USAGE, f"{_SECRET} can't be read from {path}: {error.strerror}") from error
    return text


def _read_file(path: str, what: str) -> str:
    try:
        data = _read_stdin(what) if path == "-" else expand_path(path).read_bytes()[:_MOST_BYTES]
        text = data.decode("utf-8-sig").strip("\r\n")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise CommandError(USAGE, f"{what} can't be read from {path}: {why}") from error
    if not text:
        raise CommandError(USAGE, f"{what} was expected from {_describe_path(path)}, which is empty")
    return text


def _read_stdin(what: str) -> bytes:
    if sys.stdin.isatty():
        from getpass import getpass

        return getpass(f"{what.removeprefix('the ').capitalize()}: ").encode()
    return sys.stdin.buffer.read(_MOST_BYTES)


def _describe_path(path: str) -> str:
    return "standard input" if path == "-" else path
