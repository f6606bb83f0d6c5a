"""What is at rest, in memory's reprs and in the log: nothing that could be used."""

from __future__ import annotations

import contextlib
import hmac
import logging
import os
import sqlite3
import stat

import pytest
from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationExecutionError

from pyramid_oauthguard.errors import SettingError
from pyramid_oauthguard.private_files import protect_database
from pyramid_oauthguard.server.hashing import Pepper, load_pepper
from tests.ground.test_secret_files import ODD


@pytest.mark.promise("TK-40")
@pytest.mark.parametrize("form", ["jwt", "opaque"])
def test_no_secret_or_token_is_in_the_files(build, form):
    server = build({"access_token_format": form})
    made = server.clients.create("Given", secret="a secret that was given", grants=["client_credentials"])
    access, refresh = server.user_tokens()
    values = [server.program.secret, server.api.secret, made.secret, server.token(), access, refresh]
    server.service.store.close()
    content = b"".join(path.read_bytes() for path in server.file.parent.iterdir())
    assert server.program.client.client_id.encode() in content
    for value in values:
        assert value.encode() not in content
        assert value.split(".")[-1].encode() not in content
    assert b'"d":' not in content, "private keys are encrypted"


@pytest.mark.promise("TK-40")
def test_hashes_are_keyed_and_of_one_purpose():
    first, second = Pepper(b"a" * 32), Pepper(b"b" * 32)
    hashes = {
        each
        for pepper in (first, second)
        for each in (pepper.hash_secret("x"), pepper.hash_token("x"), pepper.hash_code("x"))
    }
    assert len(hashes) == 6
    assert {len(each) for each in hashes} == {32}
    assert "a" * 4 not in repr(first)


@pytest.mark.slow
def test_the_pepper_is_made_once_and_readable_by_its_owner_only(build):
    server = build()
    file = server.file.with_name("oauth.sqlite.pepper")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = file.read_bytes()
    assert len(before.strip()) >= 43
    again = build()
    assert file.read_bytes() == before
    assert again.introspect(server.token())["active"] is True


def test_a_pepper_that_others_may_read_is_refused(tmp_path):
    file = tmp_path / "pepper"
    load_pepper(file)
    file.chmod(0o640)
    with pytest.raises(SettingError, match="may be read by others"):
        load_pepper(file)


@pytest.mark.parametrize(("mode", "is_good"), [(0o440, True), (0o640, True), (0o660, False), (0o444, False)])
def test_a_pepper_of_another_user_may_be_read_by_the_group(tmp_path, monkeypatch, mode, is_good):
    """Kubernetes gives secrets to root, and to the group of the process."""
    file = tmp_path / "pepper"
    load_pepper(file)
    file.chmod(mode)
    monkeypatch.setattr("os.geteuid", lambda: file.stat().st_uid + 1)
    if is_good:
        assert load_pepper(file)
    else:
        with pytest.raises(SettingError, match="may be read by others"):
            load_pepper(file)


def test_a_pepper_that_is_too_short_is_refused(tmp_path):
    file = tmp_path / "pepper"
    file.touch(0o600)
    file.write_text("abcdefghijklmnopqrstuvwxyz01234")
    with pytest.raises(SettingError, match="fewer than 32 bytes"):
        load_pepper(file)


def test_another_database_wants_its_pepper_named():
    config = Configurator(
        settings={
            "oauthguard.server.issuer": "http://localhost:6543",
            "oauthguard.server.audience": "https://api.example",
            "oauthguard.server.sqlalchemy.url": "postgresql+psycopg://nobody@localhost/nothing",
        }
    )
    config.include("pyramid_oauthguard.server")
    with pytest.raises(ConfigurationExecutionError, match=r"oauthguard\.server\.pepper_file: is required"):
        config.commit()


def test_nothing_is_logged_at_any_level(build, caplog):
    caplog.set_level(logging.DEBUG)
    server = build()
    token = server.token()
    server.introspect(token)
    server.revoke(token)
    secret = "a-secret-that-is-wrong"
    server.app.post(
        "/oauth/token",
        {"grant_type": "client_credentials", "client_id": secret, "client_secret": secret},
        status=401,
    )
    server.app.post("/oauth/token", {"grant_type": secret}, headers=server.basic(server.program), status=400)
    assert caplog.records, "Authlib logs at DEBUG"
    for value in (token, token.split(".")[2], server.program.secret, server.api.secret, secret):
        assert value not in caplog.text


def test_reprs_hold_no_secret(server):
    made = server.clients.create("R", grants=["client_credentials"], scopes=["read"])
    assert made.secret not in repr(made)
    assert made.secret not in repr(server.clients.rotate_secret(made.client.client_id))
    assert "sqlite" not in repr(server.service.settings)


@pytest.mark.promise("TK-40")
@pytest.mark.parametrize("text", ["", "ogat_x", "ü \ud800", "x" * 5000])
def test_hashes_are_hmac_sha256_for_ever(text):
    """Of anything else, what a database holds already would be lost."""
    pepper = Pepper(b"p" * 32)
    data = text.encode("utf-8", "surrogatepass")
    for purpose, found in (
        ("client secret", pepper.hash_secret),
        ("token", pepper.hash_token),
        ("code", pepper.hash_code),
    ):
        assert found(text) == hmac.digest(pepper.derive_key(purpose), data, "sha256")


@pytest.mark.slow
@pytest.mark.timeout(60)
@pytest.mark.promise("SK-01")
@pytest.mark.parametrize("kind", sorted(ODD))
def test_a_pepper_that_is_no_key_stops_start_up(tmp_path, kind):
    """With a known pepper, the hashes at rest and the signing keys are open to who reads the database."""
    file = tmp_path / "pepper"
    ODD[kind][0](file)
    settings = {
        "oauthguard.server.issuer": "http://localhost:6543",
        "oauthguard.server.audience": "https://api.example",
        "oauthguard.server.sqlalchemy.url": f"sqlite:///{tmp_path}/oauth.sqlite",
        "oauthguard.server.pepper_file": str(file),
    }
    config = Configurator(settings=settings)
    config.include("pyramid_oauthguard.server")
    with pytest.raises(ConfigurationExecutionError) as caught:
        config.commit()
    assert "oauthguard.server.pepper_file: " in str(caught.value)
    assert str(file) in str(caught.value)
    assert not (tmp_path / "oauth.sqlite").exists()


def test_a_pepper_behind_a_link_is_read(tmp_path):
    real = tmp_path / "..data"
    load_pepper(real)
    (tmp_path / "pepper").symlink_to("..data")
    assert load_pepper(tmp_path / "pepper").derive_key("x") == load_pepper(real).derive_key("x")


@pytest.mark.slow
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_database_and_folders_are_their_owners_alone(build, tmp_path, umask):
    before = os.umask(umask)
    try:
        server = build({"sqlalchemy.url": f"sqlite:///{tmp_path}/a/b/oauth.sqlite"})
        server.token()
    finally:
        os.umask(before)
    found = {path.relative_to(tmp_path).as_posix(): stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
    assert found.pop("a") == found.pop("a/b") == 0o700
    assert {"a/b/oauth.sqlite", "a/b/oauth.sqlite-wal", "a/b/oauth.sqlite.pepper"} <= found.keys()
    assert set(found.values()) == {0o600}


@pytest.mark.slow
def test_a_database_of_before_is_closed_to_others(build):
    server = build()
    server.token()
    copies = {path: path.read_bytes() for path in server.file.parent.glob("oauth.sqlite*")}
    assert len(copies) > 2, "with what SQLite has beside it"
    server.service.store.close()
    for path, content in copies.items():
        path.write_bytes(content)
        path.chmod(0o600 if path.suffix == ".pepper" else 0o644)
    again = build()
    again.token()
    assert {stat.S_IMODE(path.stat().st_mode) for path in copies if path.exists()} == {0o600}


@pytest.mark.slow
def test_a_database_that_only_sqlite_knows_the_file_of(build, tmp_path):
    file = tmp_path / "uri.sqlite"
    pepper = tmp_path / "uri.pepper"
    server = build({"sqlalchemy.url": f"sqlite:///file:{file}?uri=true", "pepper_file": str(pepper)})
    server.token()
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.glob("uri.*")} == {0o600}


@pytest.mark.skipif(os.name != "posix", reason="modes")
@pytest.mark.parametrize("exists", [False, True])
def test_a_database_behind_a_link_is_not_open_to_others(tmp_path, exists):
    file, link = tmp_path / "kept" / "real.sqlite", tmp_path / "link.sqlite"
    file.parent.mkdir(mode=0o700)
    link.symlink_to(file)
    companions = [file.with_name(f"real.sqlite{suffix}") for suffix in ("", "-wal", "-shm")]
    if exists:
        for path in companions:
            path.touch()
            path.chmod(0o644)
    protect_database(link)
    with contextlib.closing(sqlite3.connect(link)) as database:
        database.execute("CREATE TABLE one (id INTEGER)")
        database.commit()
    assert {stat.S_IMODE(path.stat().st_mode) for path in companions if path.exists()} == {0o600}
    assert link.is_symlink()
