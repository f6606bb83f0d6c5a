"""The client that this command registered by itself (RFC 7591), and the secret that the server gave it."""

from __future__ import annotations

from dataclasses import dataclass

from ..client.errors import CommandError
from ..client.issued_secret import SECRET_METHODS, IssuedSecret
from ..client.storage.profiles import REGISTRATION
from ..exit_status import USAGE
from .run import Run

__all__ = ["Registered", "check_known", "is_usable", "load_issued_secret"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A client that this run registered.

    :ivar secret: None for a public client.
    """

    client_id: str
    auth_method: str
    secret: IssuedSecret | None = None


def load_issued_secret(run: Run) -> IssuedSecret | None:
    """The secret of the registration in this run, or of that before the login; None if there is none, or if a flag names one.

    :raises CommandError: the place where it is kept can't be read.
    """
    if "client_secret_file" in run.flags:
        return None
    if run.registered is not None:
        return run.registered.secret
    login = run.login
    return run.store.load_issued_secret(login) if login is not None and _needs_secret(run) else None


def is_usable(run: Run) -> bool:
    """Whether the client of the options can be used again: it needs no issued secret, or the secret is there and has not expired."""
    secret = run.issued_secret
    return not secret.is_expired if secret is not None else not _needs_secret(run)


def check_known(run: Run) -> None:
    """:raises CommandError: the client got a secret at its registration, and the secret is not there any more."""
    if _needs_secret(run):
        text = f"the secret that the server gave to the client {run.options.client_id} is lost"
        raise CommandError(USAGE, text, "oauthguard login with the URL of the API registers a new client")


def _needs_secret(run: Run) -> bool:
    client = run.registered or run.login
    return run.client_origin == REGISTRATION and client is not None and client.auth_method in SECRET_METHODS
