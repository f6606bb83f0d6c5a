"""Keyed hashes: the form in which secrets, codes and tokens are stored.

The key ("pepper") is a file beside the database, not in it: someone who reads only the database can neither use nor
guess the values. Without the pepper, all hashes are useless.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ..errors import SettingError
from ..private_files import DIFFERENT_IN_KEYS, make_private_folder, read_secret_file

__all__ = ["Pepper", "load_pepper"]

_KEY = "oauthguard.server.pepper_file"
_KEY_BYTES = 32


class Pepper:
    """The key of the hashes at rest; each purpose has a key of its own, so that a hash for one purpose does not match
    for another."""

    __slots__ = ("_code", "_derived", "_imported", "_key", "_secret", "_token")

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._derived: dict[str, bytes] = {}
        self._secret, self._token, self._code, self._imported = (
            HMAC(self.derive_key(purpose), SHA256()) for purpose in ("client secret", "token", "code", "imported hash")
        )

    def derive_key(self, purpose: str) -> bytes:
        """32 bytes for ``purpose`` alone (RFC 5869). Purposes are words of this package, and each key is derived once."""
        if purpose not in self._derived:
            info = f"pyramid_oauthguard {purpose}".encode()
            self._derived[purpose] = HKDF(SHA256(), length=32, salt=None, info=info).derive(self._key)
        return self._derived[purpose]

    def hash_secret(self, secret: str) -> bytes:
        return _digest(self._secret, secret)

    def hash_token(self, token: str) -> bytes:
        """For access tokens and refresh tokens alike."""
        return _digest(self._token, token)

    def hash_imported(self, digest: bytes) -> bytes:
        """For a secret or token of which only the hash of another server is known."""
        return _digest(self._imported, digest.hex())

    def hash_code(self, code: str) -> bytes:
        """For authorization codes, device codes and user codes."""
        return _digest(self._code, code)

    def hash_assertion(self, client_id: str, token_id: str) -> bytes:
        """For the ``jti`` of a client's assertion."""
        return _digest(self._code, json.dumps([client_id, token_id]))

    def hash_bearer_assertion(self, issuer: str, token_id: str) -> bytes:
        """For the ``jti`` of an assertion about a user. Three members: never the hash of a client's assertion."""
        return _digest(self._code, json.dumps(["bearer", issuer, token_id]))

    def hash_page(self, page: str) -> bytes:
        """For the page on which a user decided. Never the hash of an assertion, which has other members."""
        return _digest(self._code, json.dumps(["page", page, ""]))

    def __repr__(self) -> str:
        return "<Pepper>"


def _digest(keyed: HMAC, text: str) -> bytes:
    copied = keyed.copy()  # takes a third of the time of setting up the key again
    copied.update(text.encode("utf-8", "surrogatepass"))
    return copied.finalize()


def load_pepper(path: Path) -> Pepper:
    """Read the pepper file. If it does not exist, make one that only its owner can read.

    :raises SettingError: unreadable, too short, readable by others, not a regular file, or one character repeated.
    """
    try:
        if not path.exists():
            _create(path)
        return Pepper(_read(path))
    except OSError as error:
        raise SettingError(_KEY, f"can't be read or made: {error.strerror}", f"the file is {path}") from None
    except ValueError as error:
        hint = f"the file is {path}; remove it only if nothing is stored yet"
        raise SettingError(_KEY, str(error), hint) from None


def _create(path: Path) -> None:
    """Make the complete file or none. Two processes that start at once get the same file."""
    make_private_folder(path.parent)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if os.name == "posix":
                os.fchmod(descriptor, 0o600)  # independent of the umask
            file.write(base64.urlsafe_b64encode(secrets.token_bytes(_KEY_BYTES)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()


def _is_open_to_others(status: os.stat_result) -> bool:
    """Only its owner may read it. Where that is another user, such as root with a secret of Kubernetes, the group may, too:
    there is no other way for this process to read it."""
    allowed = 0o700 if status.st_uid == os.geteuid() else 0o740
    return stat.S_ISREG(status.st_mode) and bool(stat.S_IMODE(status.st_mode) & ~allowed)


def _read(path: Path) -> bytes:
    if os.name == "posix" and _is_open_to_others(path.stat()):
        raise SettingError(_KEY, "may be read by others", f"chmod 600 {path}")
    key = read_secret_file(path, different=DIFFERENT_IN_KEYS).strip()
    if len(key) < _KEY_BYTES:
        raise SettingError(_KEY, f"holds fewer than {_KEY_BYTES} bytes", "remove it only if nothing is stored yet")
    return key
