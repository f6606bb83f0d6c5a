"""The secrets of clients: a new one, one that the operator gives, and one that another server has hashed."""

from __future__ import annotations

from ...grant_types import RegistrationError
from ...hashing import Pepper
from ...opaque import make_client_secret, make_id
from ...store.records import Client, ClientSecret
from ..registration import check_secret
from .imported import read_secret_hash

__all__ = ["make_first_secret", "make_secret"]


def make_first_secret(
    pepper: Pepper, client: Client, *, given: str | None, imported: str | None
) -> tuple[ClientSecret | None, str | None]:
    """The record, and the text if it is known; both None for a client without a secret.

    :param given: the text that the operator chose, or None.
    :param imported: a hash that another server made, or None.
    :raises RegistrationError: a secret for a public client, a secret and a hash, or one of the two is not usable.
    """
    if client.public and not given is imported is None:
        raise RegistrationError("secret", "a public client has none")
    if imported is not None:
        if given is not None:
            raise RegistrationError("secret_hash", "is given beside a secret")
        return _import_secret(pepper, imported, now=client.created_at), None
    if client.public or (given is None and not client.jwks is client.jwks_uri is None):
        return None, None
    return make_secret(pepper, given, label="first", now=client.created_at)


def make_secret(pepper: Pepper, given: str | None, *, label: str, now: float) -> tuple[ClientSecret, str]:
    """A record and its text, which is ``given`` or a new one. :raises RegistrationError: ``given`` is not usable."""
    secret = make_client_secret() if given is None else given
    check_secret(secret)
    hashed = pepper.hash_secret(secret)
    return ClientSecret(secret_id=make_id(), hash=hashed, label=label, created_at=now), secret


def _import_secret(pepper: Pepper, text: str, *, now: float) -> ClientSecret:
    scheme, digest = read_secret_hash(text)
    hashed = pepper.hash_imported(digest)
    return ClientSecret(secret_id=make_id(), hash=hashed, label="imported", created_at=now, scheme=scheme)
