"""Which issuer may receive a credential. All credentials follow one rule. The working folder alone never decides."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..exit_status import USAGE
from .errors import CommandError
from .options import DOTENV, PROFILE, ClientOptions

__all__ = ["Credential", "check_recipient"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A secret or a token, and where it comes from.

    :ivar text: the characters that are sent.
    :ivar name: its kind, for messages: ``"the client secret"``.
    :ivar place: where it was found, for messages: a variable, a path, ``"standard input"``.
    :ivar is_dotenv: it is in the ``.env`` of the working folder.
    :ivar issuer: the issuer that issued it; None for a credential that this command did not get from an issuer.
    """

    text: str = field(repr=False)
    name: str
    place: str
    is_dotenv: bool = False
    issuer: str | None = None


def check_recipient(credential: Credential, options: ClientOptions) -> None:
    """Check that the issuer of ``options`` may receive ``credential``.

    A token that this command got from an issuer goes back to that issuer only. Any other credential goes to an issuer
    that the user names. An issuer that only the ``.env`` of a folder names receives nothing except what is in the
    same ``.env``.

    :raises CommandError: it may not. The credential is not part of the message.
    """
    if credential.issuer is not None:
        if credential.issuer != options.issuer:
            text = f"{credential.name} was issued by {credential.issuer}, so it is not sent to {options.issuer}"
            raise CommandError(USAGE, text, "name the issuer that issued it")
        return
    if options.issuer_is_the_users or (credential.is_dotenv and options.issuer_origin == DOTENV):
        return
    raise CommandError(
        USAGE,
        f"{credential.name} comes from {credential.place}, but only {_describe(options)} names the issuer "
        f"{options.issuer}: it was not sent, because neither a folder nor an API may choose the receiver",
        "if you trust this issuer, name it with --issuer or OAUTHGUARD_ISSUER",
    )


def _describe(options: ClientOptions) -> str:
    if options.issuer_origin == DOTENV:
        return "the .env of this folder"
    if options.issuer_origin == PROFILE:
        return "a login that took it from the .env of a folder or from an API"
    return options.issuer_origin
