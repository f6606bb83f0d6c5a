"""When the TLS certificate of a server ends."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from typing import Final

from cryptography import x509

__all__ = ["DAY_SECONDS", "SOON_SECONDS", "ask_for_tls", "fetch_certificate_end"]

DAY_SECONDS: Final = 86_400.0
#: An operator who renews certificates by hand needs some days. Programs that do it begin 30 days before.
SOON_SECONDS: Final = 14 * DAY_SECONDS
#: PostgreSQL's SSLRequest: its length, and the number that stands for it.
_SSL_REQUEST: Final = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")


def fetch_certificate_end(
    host: str, port: int, *, timeout: float, prepare: Callable[[socket.socket], None] = lambda _plain: None
) -> float:
    """The moment at which the certificate ends, in seconds since the epoch. NOT checked: the certificate. Nothing is sent to
    who has it, and whether it is accepted is known from the requests themselves.

    :param prepare: what comes before the TLS handshake.
    :raises OSError: there is no TLS.
    :raises ValueError: the certificate can't be read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection((host, port), timeout=timeout) as plain:
        prepare(plain)
        with context.wrap_socket(plain, server_hostname=host) as secured:
            found = x509.load_der_x509_certificate(secured.getpeercert(binary_form=True) or b"")
    return found.not_valid_after_utc.timestamp()


def ask_for_tls(plain: socket.socket) -> None:
    """PostgreSQL begins without TLS. :raises OSError: this server has none."""
    plain.sendall(_SSL_REQUEST)
    if plain.recv(1) != b"S":
        raise OSError("no TLS")
