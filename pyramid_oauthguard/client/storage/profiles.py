"""The profiles: one for each login, without its tokens."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, fields
from typing import Final

from ...exit_status import USAGE
from ..errors import CommandError
from ..options import NAMES
from .folder import Folder

__all__ = ["DEFAULT", "REGISTRATION", "Profile", "Profiles", "as_profile_name"]

DEFAULT: Final = "default"
REGISTRATION: Final = "registration"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", re.ASCII)
_SUFFIX: Final = ".profile"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One login.

    :ivar store: where its tokens are, ``"keyring"`` or ``"file"``.
    :ivar signed_in_as: the name shown at login; it is not verified.
    :ivar issuer_origin: ``".env"`` if only the ``.env`` of a folder named the issuer at login, otherwise None.
    :ivar client_origin: ``"registration"`` if this command registered the client itself, otherwise None.
    """

    name: str
    issuer: str
    client_id: str
    scope: str | None = None
    audience: str | None = None
    resource: str | None = None
    auth_method: str | None = None
    client_secret_file: str | None = None
    store: str = "file"
    signed_in_as: str | None = None
    issuer_origin: str | None = None
    client_origin: str | None = None

    def list_options(self) -> dict[str, str]:
        """The options that the login keeps, by name; those without a value are left out."""
        found = {name: getattr(self, name) for name in (*NAMES, "client_secret_file")}
        return {name: value for name, value in found.items() if value}


class Profiles:
    """The profiles in the command's folder."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    def load(self, name: str) -> Profile | None:
        """:raises CommandError: the profile can't be read."""
        text = self._folder.read(as_profile_name(name) + _SUFFIX)
        return None if text is None else _as_profile(name, text)

    def save(self, profile: Profile) -> None:
        self._folder.write(as_profile_name(profile.name) + _SUFFIX, json.dumps(asdict(profile), indent=1))

    def delete(self, name: str) -> None:
        self._folder.delete(as_profile_name(name) + _SUFFIX)

    def list(self) -> list[str]:
        return [name for name in self._folder.list(_SUFFIX) if _NAME.fullmatch(name)]

    @property
    def current(self) -> str:
        """The name of the profile that is used if the user does not name one."""
        name = (self._folder.read("current") or DEFAULT).strip()
        return name if _NAME.fullmatch(name) else DEFAULT

    def choose(self, name: str) -> None:
        self._folder.write("current", as_profile_name(name))


def as_profile_name(name: str) -> str:
    """``name``, which becomes the name of a file. :raises CommandError: it is not the name of a profile."""
    if not _NAME.fullmatch(name):
        raise CommandError(USAGE, f"{name!r} is not the name of a profile", "use letters, digits and . _ @ -")
    return name


def _as_profile(name: str, text: str) -> Profile:
    try:
        read = json.loads(text)
        known = {field.name: read.get(field.name) for field in fields(Profile)}
        if not all(value is None or isinstance(value, str) for value in known.values()):
            raise ValueError("not text")  # handled below, like every other fault of the file
        return Profile(**{**known, "name": name, "store": known["store"] or "file"})
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise CommandError(USAGE, f"profile {name} is damaged", f"oauthguard login --profile {name}") from error
