"""Keys in a file: what is adopted, when, and for how long the old ones serve."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from pyramid_oauthguard import InvalidToken, UnavailableError
from pyramid_oauthguard.issuers.key_file import KeyFile, read_key_file
from pyramid_oauthguard.jwt.algorithms import ALGORITHMS
from pyramid_oauthguard.testing import generate_key
from tests.certificates import write_certificate

OLD, NEW = generate_key("ES256", kid="old"), generate_key("ES256", kid="new")
NOW, STALE = 1_000_000.0, 100.0


class File:
    """The file, and the keys of it at a time of our own."""

    def __init__(self, path: Any) -> None:
        self.path = path
        self.source = KeyFile(str(path), algorithms=ALGORITHMS, max_stale=STALE)

    def write(self, content: Any) -> None:
        self.path.write_text(content if isinstance(content, str) else json.dumps(content))

    def find(self, at: float = NOW) -> list[str | None]:
        return [kid for kid, _ in self.source.require(at).describe()]


@pytest.fixture
def file(tmp_path):
    return File(tmp_path / "keys.json")


def as_set(*keys: Any) -> dict[str, Any]:
    return {"keys": [key.jwk for key in keys]}


def test_a_new_file_is_used_at_once(file):
    file.write(as_set(OLD))
    assert file.find() == ["old"]
    first = file.source.require(NOW)
    assert file.source.require(NOW) is first
    file.write(as_set(OLD, NEW))
    assert file.find() == ["old", "new"]
    file.write({"keys": []})
    assert file.find() == [], "an empty set is a set"
    with pytest.raises(InvalidToken):
        file.source.find("ES256", "old")


def test_a_change_of_the_inode_of_the_size_and_of_the_time_is_seen(file, tmp_path):
    file.write(as_set(OLD))
    assert file.find() == ["old"]
    status = file.path.stat()
    other = tmp_path / "other"
    other.write_text(json.dumps(as_set(NEW)))
    assert other.stat().st_size == status.st_size
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(file.path)
    assert file.find() == ["new"], "the inode alone is another one"
    file.path.write_text(json.dumps(as_set(OLD)))
    os.utime(file.path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert file.find() == ["old"], "the time alone is another one"
    file.path.write_text(json.dumps(as_set(OLD, NEW)))
    os.utime(file.path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert file.find() == ["old", "new"], "the size alone is another one"


def test_an_equal_set_keeps_the_object(file):
    """And with it, the tokens that it verified."""
    file.write(as_set(OLD))
    first = file.source.require(NOW)
    file.write(json.dumps(as_set(OLD), indent=1))
    assert file.source.require(NOW) is first


BAD = {
    "not JSON": "{",
    "empty": "",
    "not an object": "[1]",
    "no keys": "{}",
    "keys not a list": {"keys": {}},
    "a key not an object": {"keys": ["x"]},
    "a private key": {"keys": [OLD.jwk, NEW.native.as_dict(private=True)]},
    "a symmetric key": {"keys": [OLD.jwk, {"kty": "oct", "k": "AAAA"}]},
    "a private key of an unknown kind": {"keys": [{"kty": "AKP", "d": "AAAA"}]},
    "a private key in PEM": NEW.native.as_pem(private=True).decode(),
    "half of PEM": NEW.native.as_pem(private=False).decode()[:60],
    "PEM of something else": "-----BEGIN DH PARAMETERS-----\nAAAA\n-----END DH PARAMETERS-----",
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_not_adopted_and_the_old_keys_serve_for_a_while(file, name, caplog):
    file.write(as_set(OLD))
    assert file.find(NOW) == ["old"]
    file.write(BAD[name])
    assert file.find(NOW + STALE - 1) == ["old"]
    with pytest.raises(UnavailableError) as caught:
        file.find(NOW + STALE)
    assert (caught.value.reason, str(file.path) in caught.value.detail) == ("bad_key_file", True)
    assert len([line for line in caplog.messages if "are not used" in line]) == 1
    assert "AAAA" not in caplog.text + str(caught.value)
    file.write(as_set(NEW))
    assert file.find(NOW + STALE) == ["new"]


def test_a_missing_file(file):
    with pytest.raises(UnavailableError):
        file.find()
    file.write(as_set(OLD))
    assert file.find(NOW) == ["old"]
    assert file.find(NOW + 10 * STALE) == ["old"], "it is there, however long it did not change"
    file.path.unlink()
    assert file.find(NOW + 11 * STALE - 1) == ["old"]
    with pytest.raises(UnavailableError):
        file.find(NOW + 11 * STALE)


def test_a_file_that_every_user_can_change_is_not_used(file):
    file.write(as_set(OLD))
    file.path.chmod(0o666)
    with pytest.raises(UnavailableError, match="can be changed by every user"):
        file.find()


def test_keys_and_certificates_in_pem(file, tmp_path):
    pem = write_certificate(tmp_path).read_bytes().split(b"-----BEGIN PRIVATE KEY")[0]
    rsa, edwards = generate_key("RS256", kid="r"), generate_key("Ed25519", kid="e")
    text = b"\n".join([pem, rsa.native.as_pem(private=False), edwards.native.as_pem(private=False)])
    file.write("# the keys of the issuer\n" + text.decode())
    assert sorted(kty["kty"] for kty in read_key_file(str(file.path)).keys) == ["EC", "OKP", "RSA"]
    assert file.find() == [None] * 3
    certificate = x509.load_pem_x509_certificate(pem)
    public = certificate.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert public not in pem
    found = next(key for key in read_key_file(str(file.path)).keys if key["kty"] == "EC")
    assert {"x5t", "x5t#S256"} <= found.keys()


def test_nothing_of_a_private_key_is_in_the_message(tmp_path):
    path = tmp_path / "key"
    path.write_bytes(OLD.native.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(ValueError, match="contains a private key") as caught:
        read_key_file(str(path))
    assert path.read_text().splitlines()[1][:20] not in str(caught.value)
