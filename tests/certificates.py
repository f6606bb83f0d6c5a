"""A certificate for this machine, for servers of tests that speak TLS."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

__all__ = ["write_authority", "write_certificate"]


def write_certificate(folder: Path, *, name: str = "localhost", days: float = 90) -> Path:
    """A PEM file with a self-signed certificate for 127.0.0.1 and ``name``, and its key: both a server's identity and what to
    trust.

    :param days: for how long it is valid from now on.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), 7, now - day, now + days * day)
    builder = builder.add_extension(x509.SubjectAlternativeName([address, x509.DNSName(name)]), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    file = folder / "both.pem"
    file.write_bytes(
        builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return file


def write_authority(folder: Path, name: str, *, is_strict: bool = True) -> tuple[Path, Path]:
    """A private certificate authority, and a server that it vouches for.

    :param is_strict: False leaves out the identifiers of keys, as the authorities of some clusters do.

    :returns: the PEM file of the authority's certificate, and that of the server's certificate for ``name`` and 127.0.0.1 with its
        key.
    """
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root, now, day = _name("A private authority"), datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    dates: tuple[Any, ...] = (now - day, now + day)
    known = x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key())
    signs = x509.KeyUsage(*(each in (5, 6) for each in range(9)))
    made = x509.CertificateBuilder(root, root, root_key.public_key(), 1, *dates)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    if is_strict:
        made = made.add_extension(x509.SubjectKeyIdentifier.from_public_key(root_key.public_key()), critical=False)
        made = made.add_extension(signs, critical=True)
    authority = made.sign(root_key, hashes.SHA256())
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = x509.CertificateBuilder(root, _name(name), key.public_key(), 2, *dates)
    made = made.add_extension(x509.SubjectAlternativeName([address, x509.DNSName(name)]), critical=False)
    made = made.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    made = made.add_extension(known, critical=False) if is_strict else made
    server = made.sign(root_key, hashes.SHA256())
    files = folder / "authority.pem", folder / "server.pem"
    files[0].write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(server.public_bytes(serialization.Encoding.PEM) + _encode(key))
    return files


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _encode(key: ec.EllipticCurvePrivateKey) -> bytes:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
