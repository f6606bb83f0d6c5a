"""How clients are shown."""

from __future__ import annotations

import time
from typing import Any, Final

from ...server.clients.keys import list_names
from ...server.store.records import RESOURCE_SERVER, Client
from ..output import format_time

__all__ = ["describe", "summarize"]

_OPTIONAL: Final = (
    "first_party",
    "loopback_localhost",
    "access_token_ttl",
    "refresh_token_ttl",
    "refresh_token_max_age",
    "owner",
    "home_page",
    "policy",
    "logo",
    "jwks_uri",
    "assertion_subjects",
)


def summarize(found: Client) -> dict[str, Any]:
    """The columns of the list of clients."""
    return {
        "client_id": found.client_id,
        "name": found.name,
        "kind": found.role if found.role == RESOURCE_SERVER else "public" if found.public else "confidential",
        "grants": list(found.grants),
        "scopes": list(found.scopes),
        "revoked": format_time(found.revoked_at),
    }


def describe(found: Client) -> dict[str, Any]:
    """Everything about a client except its secrets and keys."""
    now = time.time()
    described = {
        **summarize(found),
        "created": format_time(found.created_at),
        "redirect_uris": list(found.redirect_uris),
        "audiences": list(found.audiences),
    }
    described |= {name: getattr(found, name) for name in _OPTIONAL if getattr(found, name) not in (None, False, ())}
    if found.require_pkce is not None:
        described["require_pkce"] = found.require_pkce
    if found.shared_key is not None:
        described["shared_key"] = "stored"
    if found.jwks is not None:
        described["keys"] = list_names(found.jwks)
    for secret in found.secrets:
        end = secret.revoked_at if secret.revoked_at is not None else secret.expires_at
        described[f"secret {secret.secret_id}"] = "; ".join(
            (
                secret.label or "no label",
                f"made {format_time(secret.created_at)}",
                f"last used {format_time(secret.last_used_at) or 'never'}",
                ("ends " if secret.is_live(now) else "ended ") + format_time(end)
                if end is not None
                else "does not end",
            )
        )
    return described
