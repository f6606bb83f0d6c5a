"""Files of folders and machines: ``.env``, kept tokens, peppers, JSON."""

from __future__ import annotations

import tempfile
from pathlib import Path

from pyramid_oauthguard import SettingError
from pyramid_oauthguard.client.storage.credentials import read_token
from pyramid_oauthguard.client.storage.dotenv import read_dotenv
from pyramid_oauthguard.client.errors import CommandError
from pyramid_oauthguard.server.hashing import load_pepper
from pyramid_oauthguard.strict_json import parse_object

from ..source import Source

_MEMORY = "/dev/shm"  # noqa: S108  # in memory where the machine has it: files are made thousands of times a second
FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-", dir=_MEMORY if Path(_MEMORY).is_dir() else None))


def run(data: bytes) -> None:
    """What was read, or the error of its kind."""
    source = Source(data)
    kind, rest = source.take_byte() % 4, source.take_rest()
    if kind == 0:
        _read_dotenv(rest)
    elif kind == 1:
        _read_pepper(rest)
    elif kind == 2:
        _read_token(rest)
    else:
        _read_json(rest)


def _read_dotenv(data: bytes) -> None:
    path = FOLDER / ".env"
    path.write_bytes(data)
    try:
        found = read_dotenv(path)
    except CommandError as error:
        assert str(error)
        return
    assert all(name.startswith("OAUTHGUARD_") for name in (*found.values, *found.ignored))
    assert "OAUTHGUARD_CLIENT_SECRET_FILE" not in found.values


def _read_pepper(data: bytes) -> None:
    path = FOLDER / "pepper"
    path.write_bytes(data)
    path.chmod(0o600)
    try:
        load_pepper(path)
    except SettingError as error:
        assert len(data) < 16 or data[:16].hex() not in str(error)
        return
    assert data.strip(b"\0 \r\n\t")


def _read_token(data: bytes) -> None:
    try:
        token = read_token(data.decode("utf-8", "replace"), "a file")
    except CommandError:
        return
    assert token
    assert token.isascii()
    assert token.isprintable()


def _read_json(data: bytes) -> None:
    try:
        found = parse_object(data)
    except ValueError:
        return
    assert type(found) is dict
