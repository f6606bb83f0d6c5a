"""The command's own folder. It has mode 0700 and its files have mode 0600. A file is replaced completely or not at all."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from ... import processes
from ...exit_status import TIMEOUT, USAGE
from ..errors import CommandError

__all__ = ["Folder"]

_LOCK_WAIT_SECONDS: Final = 30.0
_LEFTOVER_SECONDS: Final = 3600.0
#: More than the tokens and the profile of a login.
_LARGEST_BYTES: Final = 65536
#: Some file systems (FUSE, SMB) can't flush a folder; the file itself is on the disk.
_NOT_SUPPORTED: Final = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS)
_OTHER: Final = "name another folder with OAUTHGUARD_HOME"
_POSIX: Final = os.name == "posix"
_NOFOLLOW: Final = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC if _POSIX else 0


class Folder:
    """Small private files by name. Refuses a folder or a file that other users of this machine could read or change."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, name: str) -> str | None:
        """The text of a file, or None where there is none. :raises CommandError: it is open to others."""
        if not self._is_there():
            return None
        path = self.path / name
        try:
            # The open file is checked, since the path may point to another file a moment later.
            with open(path, "rb", opener=_open_nofollow) as file:
                _check_private(path, os.fstat(file.fileno()), stat.S_ISREG, "600")
                return file.read().decode("utf-8")
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise CommandError(USAGE, f"{path} can't be read: {_why(error)}", "remove it and log in again") from error

    def write(self, name: str, text: str) -> None:
        """Replace a file by one with ``text``. A reader gets the old or the new text, never a mixture, also after an interruption."""
        self._create()
        self._sweep()
        path = self.path / name
        with self._writing(path, text) as temporary:
            temporary.replace(path)
            _sync_folder(self.path)

    def check_writable(self) -> None:
        """:raises CommandError: no file can be written here."""
        self._create()
        with self._writing(self.path, " " * _LARGEST_BYTES):
            pass

    @contextmanager
    def _writing(self, path: Path, text: str) -> Iterator[Path]:
        """A new file with ``text``, which is on the disk. It is deleted, unless it was moved to ``path``.

        :raises CommandError: it can't be written, or the block raised an OSError.
        """
        temporary = None
        try:
            number, temporary = tempfile.mkstemp(prefix=".new-", dir=self.path)  # 0600 and exclusive
            with os.fdopen(number, "wb") as file:
                file.write(text.encode("utf-8"))
                file.flush()
                os.fsync(file.fileno())
            yield Path(temporary)
        except OSError as error:
            raise CommandError(USAGE, f"{path} can't be written: {_why(error)}", "nothing was changed") from error
        finally:
            if temporary:
                Path(temporary).unlink(missing_ok=True)

    def delete(self, name: str) -> None:
        if self._is_there():
            (self.path / name).unlink(missing_ok=True)

    def list(self, suffix: str) -> list[str]:
        if not self._is_there():
            return []
        return sorted(each.name.removesuffix(suffix) for each in self.path.glob(f"*{suffix}"))

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Lock ``name`` against all other processes of this user.

        :raises CommandError: another one held it for half a minute.
        """
        self._create()
        path = self.path / f"{name}.lock"
        with open(path, "ab", opener=_open_nofollow) as file:
            _check_private(path, os.fstat(file.fileno()), stat.S_ISREG, "600")
            processes.register(file, processes.cut)  # otherwise a child of a fork could unlock it, or keep it locked
            deadline = time.monotonic() + _LOCK_WAIT_SECONDS
            while not _try_lock(file.fileno()):
                if time.monotonic() > deadline:
                    raise CommandError(TIMEOUT, f"another oauthguard has locked {path}", "wait for it or end it")
                time.sleep(0.05)
            try:
                yield
            finally:
                _unlock(file.fileno())

    def _create(self) -> None:
        if not self._is_there():
            try:
                self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise CommandError(USAGE, f"{self.path} can't be made: {_why(error)}", _OTHER) from error
            self._is_there()

    def _is_there(self) -> bool:
        """Whether the folder is there. :raises CommandError: it is, and others can use it."""
        try:
            status = self.path.lstat()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise CommandError(USAGE, f"{self.path} can't be used: {_why(error)}", _OTHER) from error
        _check_private(self.path, status, stat.S_ISDIR, "700")
        return True

    def _sweep(self) -> None:
        # A process killed between two steps leaves its unfinished file behind.
        for each in self.path.glob(".new-*"):
            with suppress(OSError):
                if time.time() - each.lstat().st_mtime > _LEFTOVER_SECONDS:
                    each.unlink()


def _check_private(path: Path, status: os.stat_result, is_kind: Callable[[int], bool], wanted: str) -> None:
    if not is_kind(status.st_mode):
        kind, advice = ("folder", _OTHER) if is_kind is stat.S_ISDIR else ("file", "remove it and log in again")
        raise CommandError(USAGE, f"{path} is not a plain {kind}", advice)
    if not _POSIX:
        return  # the profile folder of a Windows user is private by its access list
    if status.st_uid != os.getuid():
        raise CommandError(USAGE, f"{path} belongs to another user", "remove it and log in again")
    if status.st_mode & 0o077:
        mode = stat.S_IMODE(status.st_mode)
        raise CommandError(
            USAGE,
            f"{path} is open to others (mode {mode:o})",
            f"they may have read it: revoke what is in it, then chmod {wanted} it",
        )


def _open_nofollow(path: str, flags: int) -> int:
    # Without O_NONBLOCK a FIFO in the file's place would block this process.
    return os.open(path, flags | _NOFOLLOW, 0o600)


def _sync_folder(path: Path) -> None:
    if _POSIX:
        number = os.open(path, os.O_RDONLY)
        try:
            os.fsync(number)
        except OSError as error:
            if error.errno not in _NOT_SUPPORTED:
                raise
        finally:
            os.close(number)


def _why(error: OSError | ValueError) -> str:
    return (error.strerror or type(error).__name__) if isinstance(error, OSError) else "it is not UTF-8 text"


if _POSIX:
    import fcntl

    def _try_lock(number: int) -> bool:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(number: int) -> None:
        fcntl.flock(number, fcntl.LOCK_UN)

else:  # pragma: no cover
    import msvcrt

    def _try_lock(number: int) -> bool:
        os.lseek(number, 0, os.SEEK_SET)
        try:
            msvcrt.locking(number, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        except OSError:
            return False
        return True

    def _unlock(number: int) -> None:
        os.lseek(number, 0, os.SEEK_SET)
        msvcrt.locking(number, msvcrt.LK_UNLCK, 1)  # type: ignore[attr-defined,unused-ignore]
