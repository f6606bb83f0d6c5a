"""Who the client is and which issuer it talks to: flags, then the environment, then ``.env``, then the profile."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ..exit_status import USAGE
from .errors import CommandError
from .text import is_utf8

__all__ = ["NAMES", "ClientOptions", "Source", "as_names", "belongs", "check_absolute", "expand_path", "find_options"]

NAMES: Final = ("issuer", "client_id", "scope", "audience", "resource", "auth_method")
FLAG: Final = "a flag"
ENVIRONMENT: Final = "the environment"
DOTENV: Final = ".env"
PROFILE: Final = "the profile"


@dataclass(frozen=True, slots=True)
class Source:
    """One place that options come from, with its name for messages.

    :ivar values: by the names of NAMES, and ``client_secret``, ``client_secret_file``.
    :ivar is_folder: a working folder named the issuer here, not the user.
    """

    origin: str
    values: Mapping[str, str] = field(repr=False)
    is_folder: bool = False

    def __post_init__(self) -> None:
        """:raises CommandError: a value is not text that can be sent. It is not part of the message, since it may be a secret."""
        for name, value in self.values.items():
            if name != "client_secret_file" and not is_utf8(value):  # the name of a file may have any bytes
                text = f"{name.replace('_', ' ')} in {self.origin} is not UTF-8 text"
                raise CommandError(USAGE, text, "write it again, in UTF-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions:
    """The options of one run; each may be missing until a verb needs it.

    :ivar issuer_origin: where ``issuer`` was found, for messages.
    :ivar issuer_is_the_users: the places that the user controls name this issuer without the help of a folder.
    """

    issuer: str | None = None
    client_id: str | None = None
    scope: str | None = None
    audience: str | None = None
    resource: str | None = None
    auth_method: str | None = None
    issuer_origin: str = ""
    issuer_is_the_users: bool = False

    def require_issuer(self) -> str:
        """The issuer. :raises CommandError: it is not known."""
        if self.issuer is None:
            raise CommandError(USAGE, "no issuer is known", "name it with --issuer or OAUTHGUARD_ISSUER")
        return self.issuer

    def require_client_id(self) -> str:
        """The client's id. :raises CommandError: it is not known."""
        if self.client_id is None:
            raise CommandError(USAGE, "no client is known", "name it with --client-id or OAUTHGUARD_CLIENT_ID")
        return self.client_id


def find_options(sources: tuple[Source, ...]) -> ClientOptions:
    """The options from ``sources``. The first source that has a value wins.

    The client of a profile is used only for the issuer of the profile, and its scopes only for that client. Otherwise one
    issuer would receive what belongs to another.
    """
    issuer, issuer_origin = _find("issuer", sources)
    users_issuer, _ = _find("issuer", tuple(source for source in sources if not source.is_folder))
    sources = tuple(source for source in sources if _agrees(source, "issuer", issuer))
    client_id, _ = _find("client_id", sources)
    sources = tuple(source for source in sources if _agrees(source, "client_id", client_id))
    rest = {name: _find(name, sources)[0] for name in NAMES[2:]}
    return ClientOptions(
        issuer=issuer,
        issuer_origin=issuer_origin,
        issuer_is_the_users=issuer is not None and issuer == users_issuer,
        client_id=client_id,
        **rest,
    )


def belongs(source: Source, options: ClientOptions) -> bool:
    """Whether what ``source`` says is about the issuer and the client of ``options``; a flag always is."""
    return _agrees(source, "issuer", options.issuer) and _agrees(source, "client_id", options.client_id)


def as_names(environ: Mapping[str, str]) -> dict[str, str]:
    """The options in a mapping of environment variables; empty ones count as absent."""
    names = (*NAMES, "client_secret", "client_secret_file")
    found = {name: environ.get(f"OAUTHGUARD_{name.upper()}", "").strip() for name in names}
    return {name: value for name, value in found.items() if value}


def expand_path(path: str) -> Path:
    """``path`` with ``~`` expanded. :raises CommandError: ``~NAME`` names no user of this machine."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise CommandError(
            USAGE, f"{path} names a user that does not exist on this machine", "write it in full"
        ) from error


def check_absolute(environ: Mapping[str, str], *variables: str) -> None:
    """Check variables that libraries read: a relative path there is another file in each folder.

    :raises CommandError: one has a relative path. A list of paths counts as relative if one of them is.
    """
    for name in variables:
        value = environ.get(name, "")
        if value and not all(Path(each).is_absolute() for each in value.split(os.pathsep)):
            text = f"{name} must be an absolute path: {value} means another place in each folder"
            raise CommandError(USAGE, text, "begin it with /")


def _find(name: str, sources: tuple[Source, ...]) -> tuple[str | None, str]:
    for source in sources:
        if name in source.values:
            return source.values[name], source.origin
    return None, ""


def _agrees(source: Source, name: str, value: str | None) -> bool:
    return source.origin != PROFILE or source.values.get(name) == value
