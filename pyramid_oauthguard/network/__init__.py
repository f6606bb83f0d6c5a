"""The settings that say where an issuer is and how it is reached. The guard has them for each issuer of tokens, the authorization
server for each issuer of assertions."""

from __future__ import annotations

from .meaning import complete_network, find_environment_proxy
from .values import (
    as_address,
    as_ca_file,
    as_insecure_hosts,
    as_key_uses,
    as_no_proxy,
    as_public_key_file,
    as_signing_key_file,
    as_size,
    as_timeout,
    as_token_file,
)

__all__ = [
    "as_address",
    "as_ca_file",
    "as_insecure_hosts",
    "as_key_uses",
    "as_no_proxy",
    "as_public_key_file",
    "as_signing_key_file",
    "as_size",
    "as_timeout",
    "as_token_file",
    "complete_network",
    "find_environment_proxy",
]
