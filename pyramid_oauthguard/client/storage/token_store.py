"""The tokens of each profile: in the keyring where there is one, otherwise in a 0600 file (RFC 8252 section 8.5)."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from typing import Final

from ...exit_status import USAGE
from ..errors import CommandError, DamagedTokensError
from ..issued_secret import IssuedSecret, read_issued_secret
from ..reporting import Reporter
from ..tokens import Tokens, is_refresh_token, is_token
from .folder import Folder
from .profiles import Profile, Profiles
from .vaults import FileVault, KeyringVault, VaultError

__all__ = ["TokenStore"]

KEYRING: Final = "keyring"
FILE: Final = "file"


class TokenStore:
    """Keeps the tokens of profiles. After an interruption, either the old or the new tokens are complete."""

    def __init__(self, folder: Folder, reporter: Reporter) -> None:
        self._folder = folder
        self._reporter = reporter
        self._profiles = Profiles(folder)
        self._keyring = KeyringVault()
        self._files = FileVault(folder)

    def lock(self, name: str) -> AbstractContextManager[None]:
        """Lock the profile ``name`` against other processes."""
        return self._folder.lock(name)

    def check_place(self) -> None:
        """:raises CommandError: nothing can be stored on this machine."""
        self._folder.check_writable()

    def load(self, profile: Profile) -> Tokens | None:
        """The tokens of ``profile``.

        :raises DamagedTokensError: they are not what was stored, or are those of another client.
        :raises CommandError: they can't be read.
        """
        try:
            vault = self._keyring if profile.store == KEYRING else self._files
            text = vault.load(profile.name)
        except VaultError as error:
            raise CommandError(
                USAGE, f"the keyring did not return the tokens of {profile.name} ({error})", "unlock it and try again"
            ) from None
        if text is None:
            return None
        tokens = _parse(text, profile)
        self._reporter.protect(tokens.access_token, tokens.refresh_token)
        return tokens

    def load_issued_secret(self, profile: Profile) -> IssuedSecret | None:
        """The secret that the server gave to the client of ``profile`` at its registration, or None.

        :raises CommandError: it can't be read.
        """
        try:
            tokens = self.load(profile)
        except DamagedTokensError:
            return None
        return None if tokens is None else tokens.issued_secret

    def save(self, profile: Profile, tokens: Tokens, *, prefer: str = "auto") -> Profile:
        """Keep ``tokens`` and ``profile``, and return the profile as it was kept.

        :param prefer: ``"keyring"``, ``"file"``, or ``"auto"``: the keyring, and the file where that fails.
        :raises CommandError: neither stored them.
        """
        text = _format(profile, tokens)
        before = self._profiles.load(profile.name)
        kept = replace(profile, store=self._put(profile.name, text, prefer))
        self._profiles.save(kept)
        if before and before.store != kept.store:
            self._drop(before)  # after the new profile is written, since the old one refers to these tokens
        return kept

    def check_writable(self, profile: Profile, tokens: Tokens) -> None:
        """Check that tokens can be written, by writing the old tokens again before a refresh makes them invalid.

        A server that rotates refresh tokens (RFC 9700 section 4.14) sends the only good one exactly once.
        """
        if profile.store == FILE:
            self._files.put(profile.name, _format(profile, tokens))

    def forget(self, profile: Profile) -> None:
        """Delete ``profile`` and its tokens. :raises CommandError: the keyring did not delete them."""
        try:
            if profile.store == KEYRING:
                self._keyring.delete(profile.name)
        except VaultError as error:
            raise CommandError(
                USAGE, f"the keyring kept the tokens of {profile.name} ({error})", "unlock it and try again"
            ) from None
        self._files.delete(profile.name)
        self._profiles.delete(profile.name)

    def _put(self, name: str, text: str, prefer: str) -> str:
        if prefer != FILE:
            try:
                if prefer == KEYRING or self._keyring.is_there():
                    self._keyring.put(name, text)
                    return KEYRING
            except VaultError as error:
                if prefer == KEYRING:
                    advice = "unlock it, or use --store file"
                    raise CommandError(USAGE, f"the keyring did not store the tokens ({error})", advice) from None
                self._reporter.say(
                    f"The keyring did not store the tokens ({error}): they are stored in a file of mode 0600."
                )
        self._files.put(name, text)
        return FILE

    def _drop(self, profile: Profile) -> None:
        with suppress(VaultError, CommandError, OSError):
            (self._keyring if profile.store == KEYRING else self._files).delete(profile.name)


def _format(profile: Profile, tokens: Tokens) -> str:
    # The issuer is stored with the tokens, so that a wrong profile can't send them to another issuer.
    kept = {
        "issuer": tokens.issuer,
        "client_id": profile.client_id,
        "access_token": tokens.access_token,
        "expires_at": tokens.expires_at,
        "refresh_token": tokens.refresh_token,
        "scope": tokens.scope,
    }
    if (secret := tokens.issued_secret) is not None:
        # In one entry with the tokens, so that both change at the same moment.
        kept |= {"client_secret": secret.text, "client_secret_expires_at": secret.expires_at}
    return json.dumps(kept)


def _parse(text: str, profile: Profile) -> Tokens:
    try:
        read = json.loads(text)
        tokens = Tokens(
            issuer=read["issuer"],
            access_token=read["access_token"],
            expires_at=None if read["expires_at"] is None else float(read["expires_at"]),
            refresh_token=read["refresh_token"],
            scope=read["scope"],
            issued_secret=read_issued_secret(read, read["issuer"]),
        )
        good = is_token(tokens.access_token) and (
            tokens.refresh_token is None or is_refresh_token(tokens.refresh_token)
        )
        same = (read["issuer"], read["client_id"]) == (profile.issuer, profile.client_id)
    except (ValueError, KeyError, TypeError, RecursionError):
        good = same = False
    if not (good and same):
        advice = f"oauthguard login --profile {profile.name}"
        raise DamagedTokensError(USAGE, f"the tokens of profile {profile.name} are damaged", advice) from None
    return tokens
