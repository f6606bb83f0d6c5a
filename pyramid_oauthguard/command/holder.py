"""The access token that a verb uses: fresh, and refreshed by one process at a time."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType
from typing import Any, Final

from ..client.errors import CommandError, RefusedError, UnusableTokensError
from ..client.storage.profiles import REGISTRATION, Profile
from ..client.tokens import Tokens
from ..exit_status import USAGE
from .run import Run

__all__ = ["fetch_asserted_tokens", "fetch_login_tokens", "fetch_tokens"]

_ENOUGH_SECONDS: Final = 60.0
#: SIGHUP comes when a terminal is closed; Windows has none.
_ENDING: Final = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


def fetch_tokens(run: Run) -> Tokens:
    """The login's tokens if the options belong to a login. Otherwise the client's own tokens, by client credentials.

    :raises CommandError: there is no login and no secret, or the server refuses.
    """
    if run.login is not None:
        return fetch_login_tokens(run, run.login)
    if run.options.issuer is None and run.profile is None:
        raise CommandError(USAGE, "there is no login and no issuer", "oauthguard login, or --issuer and --client-id")
    return fetch_client_tokens(run)


def fetch_client_tokens(run: Run) -> Tokens:
    """The client's own tokens (RFC 6749 section 4.4)."""
    if run.options.client_id and run.client_secret is None:
        raise CommandError(
            USAGE,
            f"{run.options.client_id} has no secret here, and a client without a secret can't get a token of its own",
            "OAUTHGUARD_CLIENT_SECRET or --client-secret-file, or oauthguard login",
        )
    tokens = run.session.fetch_client_tokens()
    run.console.protect(tokens.access_token, tokens.refresh_token)
    return tokens


def fetch_asserted_tokens(run: Run, path: str) -> Tokens:
    """The tokens of the user that the assertion in a file is about. They are not stored."""
    assertion = run.load_token(path)
    if assertion is None:
        raise CommandError(USAGE, "there is no assertion")
    run.console.protect(assertion.text)
    tokens = run.session.redeem_assertion(assertion)
    run.console.protect(tokens.access_token, tokens.refresh_token)
    return tokens


def fetch_login_tokens(run: Run, profile: Profile) -> Tokens:
    """The tokens of ``profile``, refreshed when the access token has under a minute left.

    Two processes at once make one refresh: the second one waits and finds the first one's tokens.
    """
    tokens = _require_tokens(run, profile)
    if tokens.lives(_ENOUGH_SECONDS):
        return tokens
    with run.store.lock(profile.name):
        tokens = _require_tokens(run, profile)
        return tokens if tokens.lives(_ENOUGH_SECONDS) else _refresh(run, profile, tokens)


def _require_tokens(run: Run, profile: Profile) -> Tokens:
    tokens = run.store.load(profile)
    if tokens is None:
        raise CommandError(USAGE, f"profile {profile.name} has no tokens", _advise_login(profile))
    return tokens


def _refresh(run: Run, profile: Profile, tokens: Tokens) -> Tokens:
    refresh_token = tokens.refresh_credential
    if refresh_token is None:
        if tokens.lives(1):
            return tokens
        raise CommandError(
            USAGE, f"the token of profile {profile.name} expired and there is no refresh token", _advise_login(profile)
        )
    session = run.session
    run.store.check_writable(profile, tokens)
    with _interruptions_deferred():
        try:
            fresh = session.refresh(refresh_token).keep_from(tokens)
        except RefusedError as error:
            raise RefusedError(error.code, error.text, _advise_after(error, profile)) from error
        except UnusableTokensError as error:
            if error.refresh_token:  # the token that was sent may be invalid now
                _save(run, profile, replace(tokens, refresh_token=error.refresh_token))
            raise
        _save(run, profile, fresh)
    return fresh


def _save(run: Run, profile: Profile, tokens: Tokens) -> None:
    run.console.protect(tokens.access_token, tokens.refresh_token)
    run.store.save(profile, tokens, prefer="auto" if profile.store == "keyring" else "file")


def _advise_after(error: RefusedError, profile: Profile) -> str:
    """The server may have deleted a client that registered itself, or its secret has expired: only a new client helps then."""
    if error.code == "invalid_client" and profile.client_origin == REGISTRATION:
        return f"oauthguard logout --forget --profile {profile.name}, then oauthguard login with the URL of the API"
    return _advise_login(profile)


def _advise_login(profile: Profile) -> str:
    return f"oauthguard login --profile {profile.name}"


@contextmanager
def _interruptions_deferred() -> Iterator[None]:
    """Delay Ctrl-C and other signals that end the process: until it is written, the only valid refresh token is in memory only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught: list[tuple[int, FrameType | None]] = []
    before: dict[int, Any] = {
        each: signal.signal(each, lambda number, frame: caught.append((number, frame))) for each in _ENDING
    }
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        if caught:
            signal.raise_signal(caught[0][0])
