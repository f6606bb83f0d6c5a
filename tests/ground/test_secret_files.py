"""Key files that are empty, writable for every user, all zero or not regular files are refused, and never hold us up."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from pyramid_oauthguard.private_files import read_secret_file

CONTENT = b"p0QrStUvWxYz-0123456789_abcdefghijkl\n"


def make(path: Path, content: bytes = CONTENT, mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


def make_socket(path: Path) -> None:
    """Its name has to be short."""
    before = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(before)


#: What stands where the key should be, and a part of what is said.
ODD: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda path: make(path, b""), "is empty"),
    "white space": (lambda path: make(path, b" \n\t\r\n"), "is empty"),
    "padding": (lambda path: make(path, b"====\n"), "is empty"),
    "zero bytes": (lambda path: make(path, bytes(32)), "same few characters"),
    "zeros in hexadecimal": (lambda path: make(path, b"0" * 64 + b"\n"), "same few characters"),
    "zeros in base64": (lambda path: make(path, b"A" * 43 + b"=\n"), "same few characters"),
    "ones": (lambda path: make(path, b"\xff" * 32), "same few characters"),
    "too large": (lambda path: make(path, os.urandom(1_048_577)), "more than 1048576 bytes"),
    "writable for all": (lambda path: make(path, mode=0o666), "changed by every user of this machine (mode 666)"),
    "only writable for all": (lambda path: make(path, mode=0o602), "changed by every user of this machine (mode 602)"),
    "a folder": (lambda path: path.mkdir(), "is not a regular file"),
    "a FIFO": (os.mkfifo, "is not a regular file"),
    "a link to a FIFO": (lambda path: (os.mkfifo(f"{path}.fifo"), path.symlink_to(f"{path}.fifo")), "is not a regular file"),
    "a link to /dev/zero": (lambda path: path.symlink_to("/dev/zero"), "is not a regular file"),
    "a link to /dev/null": (lambda path: path.symlink_to("/dev/null"), "is not a regular file"),
    "a link to /dev/urandom": (lambda path: path.symlink_to("/dev/urandom"), "is not a regular file"),
    "a link to an empty file": (lambda path: path.symlink_to(make(path.with_suffix(".x"), b"")), "is empty"),
    "a link to a file for all": (lambda path: path.symlink_to(make(path.with_suffix(".x"), mode=0o622)), "every user"),
}  # fmt: skip


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", ODD)
def test_what_is_no_key_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "key"
    build, said = ODD[kind]
    build(path)
    with pytest.raises(ValueError, match=re.escape(said)):
        read_secret_file(path, different=8)


@pytest.mark.parametrize(
    "content",
    [
        b"\0",
        b"\0\n",
        b" \0 \0 ",
        b"\xef\xbb\xbf",
        b"\xef\xbb\xbf\r\n",
        b"\xef\xbb\xbf" + bytes(32),
        b"0\n" * 32,
        b"\0\n" * 32,
        b"00 " * 32,
        (b"A" * 60 + b"\r\n") * 3,
    ],
)
def test_zeros_are_no_secret_however_they_are_written(tmp_path: Path, content: bytes) -> None:
    path = make(tmp_path / "secret", content)
    with pytest.raises(ValueError, match=r"is empty|same few characters"):
        read_secret_file(path)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", ["missing", "a socket", "a link to nothing", "a link to itself"])
def test_what_cannot_be_opened_is_the_systems_error(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "key"
    if kind == "a socket":
        make_socket(path)
    elif kind != "missing":
        path.symlink_to("key" if kind == "a link to itself" else "nothing")
    with pytest.raises(OSError, match=r"\[Errno \d+\]"):
        read_secret_file(path)


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o640, 0o444, 0o644])
def test_a_key_is_read_with_the_modes_that_secrets_are_mounted_with(tmp_path: Path, mode: int) -> None:
    assert read_secret_file(make(tmp_path / "key", mode=mode), different=8) == CONTENT


def test_links_to_a_regular_file_are_followed_as_kubernetes_has_them(tmp_path: Path) -> None:
    (tmp_path / "..2026_11_20").mkdir()
    make(tmp_path / "..2026_11_20" / "key")
    (tmp_path / "..data").symlink_to("..2026_11_20")
    (tmp_path / "key").symlink_to("..data/key")
    assert read_secret_file(tmp_path / "key") == CONTENT


def test_a_secret_of_one_character_is_a_short_secret_not_a_repeated_one(tmp_path: Path) -> None:
    assert read_secret_file(make(tmp_path / "key", b"x\n")) == b"x\n"
