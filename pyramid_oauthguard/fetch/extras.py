"""What requests to an issuer carry beside what the protocol wants: our name, and headers that its gateway asks for."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from ..errors import UnavailableError
from ..private_files import read_secret_file
from ..urls import Origin, as_origin, is_loopback

__all__ = ["Extras", "find_user_agent", "read_token_file"]

_NAME: Final = "pyramid_oauthguard"


@dataclass(frozen=True, slots=True)
class Extras:
    """Additional headers, for the origins that the settings name and no other: an address in metadata may be anybody's.

    :ivar origins: where they may be sent. Not without TLS, except on this machine.
    :ivar headers: sent with each request there.
    :ivar token_file: a file with a bearer token, read at each GET there: such files are replaced while we run.
    """

    origins: frozenset[Origin] = frozenset()
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    token_file: str | None = None

    def allows(self, url: str) -> bool:
        """Whether requests to ``url`` carry them."""
        if not self.headers and self.token_file is None:
            return False
        origin = as_origin(url)
        return origin in self.origins and (origin.scheme == "https" or is_loopback(origin.host))

    def find_authorization(self) -> dict[str, str]:
        """The Authorization header of a GET. :raises UnavailableError: the file can't be read."""
        if self.token_file is None:
            return {}
        try:
            return {"Authorization": f"Bearer {read_token_file(self.token_file)}"}
        except ValueError as error:
            raise UnavailableError("bad_token_file", f"{self.token_file} {error}", lasting=True) from None


def read_token_file(path: str) -> str:
    """The token in a file. :raises ValueError: there is none. The message follows the name of the file in a sentence."""
    try:
        text = read_secret_file(Path(path)).decode("ascii").strip()
    except OSError as error:
        raise ValueError(f"can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError("does not contain a token: it is not ASCII text") from None
    if not text.isprintable() or " " in text:
        raise ValueError("does not contain a token: it has white space or control characters")
    return text


@functools.cache
def find_user_agent() -> str:
    """Our name and version for the header User-Agent (RFC 9110 section 10.1.5)."""
    try:
        return f"{_NAME}/{version(_NAME)}"
    except PackageNotFoundError:  # run from a folder that was never installed
        return _NAME
