"""What a client proves of itself, as a user saw it when they allowed it something."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from joserfc import jwk

from ...urls import as_origin
from ..store.records import Client
from .credentials import NONE, PRIVATE_KEY

__all__ = ["Evidence", "build_evidence", "find_auth_method"]

_SECRET: Final = "client_secret"  # noqa: S105  # the name of a method
_HASHED: Final = ("kty", "n", "e", "crv", "x", "y")  # RFC 7638 section 3.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """See :class:`~pyramid_oauthguard.server.store.records.Consent`."""

    client_name: str
    auth_method: str
    key_thumbprints: tuple[str, ...]
    jwks_host: str | None

    def seal(self, *, redirect_uri: str, audiences: tuple[str, ...]) -> str:
        """A text that differs if any of it does.

        :param redirect_uri: where the answer goes. A request need not name it, and then it is what is registered now.
        :param audiences: the APIs, for which the same is true.
        """
        shown = (self.client_name, self.auth_method, self.key_thumbprints, self.jwks_host)
        members = (*shown, redirect_uri, audiences)
        return sha256(json.dumps(members).encode()).hexdigest()


def build_evidence(client: Client) -> Evidence:
    """The evidence of a client as it is registered now."""
    keys = json.loads(client.jwks)["keys"] if client.jwks else []
    return Evidence(
        client_name=client.name,
        auth_method=find_auth_method(client),
        key_thumbprints=tuple(sorted(map(_find_thumbprint, keys))),
        jwks_host=as_origin(client.jwks_uri).host if client.jwks_uri else None,
    )


def find_auth_method(client: Client) -> str:
    """How a client authenticates; ``client_secret`` for both ways to send a secret."""
    if client.public:
        return NONE
    return PRIVATE_KEY if client.jwks or client.jwks_uri else _SECRET


def _find_thumbprint(key: Mapping[str, Any]) -> str:
    """RFC 7638. Only the members that it is made of are handed over: joserfc refuses a key because of an odd other one."""
    return jwk.import_key({name: key[name] for name in _HASHED if name in key}).thumbprint()
