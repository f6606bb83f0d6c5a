"""The two places that can keep a secret: the keyring of the machine, and a file in the command's folder."""

from __future__ import annotations

import os
from typing import Any, Final

from ..options import check_absolute
from .folder import Folder

__all__ = ["FileVault", "KeyringVault", "VaultError"]

_SERVICE: Final = "oauthguard"
# These folders contain the keyring's configuration and code. A relative path would let the working folder choose them.
_CONFIGURE_KEYRING: Final = ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "LOCALAPPDATA", "ProgramData")


class VaultError(Exception):
    """The keyring failed. The message contains the class of its error, but not its text."""


class KeyringVault:
    """Secrets in the keyring of the machine (Keychain, Secret Service, KWallet, Credential Locker).

    Backends that keep clear text call themselves not recommended; they are used only when the user chose one.
    """

    def __init__(self) -> None:
        self._backend: Any = None

    def is_there(self) -> bool:
        """Whether this machine has a keyring. It may still fail later.

        :raises CommandError: the working folder would choose the keyring.
        """
        return self._load_backend() is not None

    def load(self, name: str) -> str | None:
        """The secret under ``name``, None where there is none or no keyring. :raises VaultError: it failed."""
        backend = self._load_backend()
        return None if backend is None else _ask(backend.get_password, _SERVICE, name)

    def put(self, name: str, secret: str) -> None:
        """:raises VaultError: it failed, or it did not store the secret."""
        backend = self._load_backend()
        if backend is None:
            raise VaultError("no keyring")
        _ask(backend.set_password, _SERVICE, name, secret)
        # Some keyrings cut long secrets off, and some report success without storing anything.
        if _ask(backend.get_password, _SERVICE, name) != secret:
            raise VaultError("the secret was not kept")

    def delete(self, name: str) -> None:
        """:raises VaultError: it failed. A name it doesn't know is fine."""
        backend = self._load_backend()
        if backend is not None and _ask(backend.get_password, _SERVICE, name) is not None:
            _ask(backend.delete_password, _SERVICE, name)

    def _load_backend(self) -> Any:
        if self._backend is None:
            check_absolute(os.environ, *_CONFIGURE_KEYRING)  # before the import, which may read the configuration
            import keyring.backends.fail
            import keyring.backends.null
            import keyring.core

            try:
                keyring.core.init_backend(keyring.core.recommended)
                found: Any = keyring.core.get_keyring()
            except Exception as error:  # noqa: BLE001  # backends are plug-ins and raise any error
                raise VaultError(type(error).__name__) from None
            nothing = (keyring.backends.fail.Keyring, keyring.backends.null.Keyring)
            self._backend = False if isinstance(found, nothing) else found
        return self._backend or None


class FileVault:
    """Secrets in 0600 files of the command's folder."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    def load(self, name: str) -> str | None:
        """:raises CommandError: the file is open to others."""
        return self._folder.read(f"{name}.tokens")

    def put(self, name: str, secret: str) -> None:
        """:raises CommandError: the disk does not take it."""
        self._folder.write(f"{name}.tokens", secret)

    def delete(self, name: str) -> None:
        self._folder.delete(f"{name}.tokens")


def _ask(method: Any, *args: str) -> Any:
    try:
        return method(*args)
    except Exception as error:  # noqa: BLE001  # backends are plug-ins and raise any error
        raise VaultError(type(error).__name__) from None
