"""Database files have mode 0600 and folders that we make 0700, whatever the umask is, and files of before become so."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyramid_oauthguard.private_files import make_private_folder, protect_database

UMASKS = [0o000, 0o002, 0o022, 0o077, 0o177, 0o777]


@pytest.fixture(params=UMASKS, ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def read_mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_folder_is_made_for_its_owner_and_those_above_it_too(tmp_path: Path, umask: int) -> None:
    above = tmp_path / "there"
    above.mkdir()
    above.chmod(0o755)
    assert make_private_folder(above / "a" / "b" / "c")
    assert [read_mode(path) for path in (above / "a", above / "a" / "b", above / "a" / "b" / "c")] == [0o700] * 3
    assert read_mode(above) == 0o755, "what was there is its owner's affair"
    assert not make_private_folder(above / "a")


def test_a_file_in_the_folders_place_is_the_systems_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"\[Errno \d+\]"):
        make_private_folder(tmp_path / "file")
    with pytest.raises(OSError, match=r"\[Errno \d+\]"):
        make_private_folder(tmp_path / "file" / "below")


def test_a_database_is_made_for_its_owner(tmp_path: Path, umask: int) -> None:
    file = tmp_path / "x.sqlite"
    protect_database(file)
    assert read_mode(file) == 0o600
    db = sqlite3.connect(file)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("CREATE TABLE t (x)")
    assert {path.name: read_mode(path) for path in tmp_path.iterdir()} == {
        "x.sqlite": 0o600,
        "x.sqlite-wal": 0o600,
        "x.sqlite-shm": 0o600,
    }
    db.close()


@pytest.mark.parametrize("mode", [0o644, 0o666, 0o660, 0o606, 0o640, 0o755])
def test_files_of_before_are_closed_to_others(tmp_path: Path, mode: int, caplog: pytest.LogCaptureFixture) -> None:
    names = ["x.sqlite", "x.sqlite-wal", "x.sqlite-shm", "x.sqlite-journal"]
    for name in [*names, "other.sqlite", "x.sqlite-backup"]:
        (tmp_path / name).touch()
        (tmp_path / name).chmod(mode)
    protect_database(tmp_path / "x.sqlite")
    assert {read_mode(tmp_path / name) for name in names} == {mode & 0o700}
    assert {read_mode(tmp_path / name) for name in ("other.sqlite", "x.sqlite-backup")} == {mode}
    assert str(tmp_path / "x.sqlite-wal") in caplog.text
    caplog.clear()
    protect_database(tmp_path / "x.sqlite")
    assert caplog.text == ""


def test_a_database_behind_a_link_is_closed_to_others(tmp_path: Path) -> None:
    real = tmp_path / "real.sqlite"
    real.touch()
    real.chmod(0o644)
    (tmp_path / "x.sqlite").symlink_to("real.sqlite")
    protect_database(tmp_path / "x.sqlite")
    assert read_mode(real) == 0o600


def test_a_file_of_another_user_stays_and_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    file = tmp_path / "x.sqlite"
    file.touch()
    file.chmod(0o664)
    monkeypatch.setattr(Path, "chmod", refuse)
    protect_database(file)
    assert "another user's: chmod 600 it" in caplog.text


def test_a_database_that_cannot_be_made_is_sqlites_to_report(tmp_path: Path) -> None:
    protect_database(tmp_path / "nowhere" / "x.sqlite")
    (tmp_path / "folder").mkdir()
    protect_database(tmp_path / "folder")
