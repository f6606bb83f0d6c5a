"""``oauthguard server client``."""

from __future__ import annotations

import time
from typing import Any, BinaryIO

import click

from ...server.clients.keys import list_names
from ...server.clients.registry import ROTATION_OVERLAP_SECONDS, ClientRegistry, RegistrationError, get_clients
from ...server.store.records import CLIENT, RESOURCE_SERVER, Client
from ...settings import as_duration
from ..output import FORMAT, format_time
from ..parameters import PRINTABLE, ini_argument, pass_run
from ..run import Run
from .application import open_application, require_service

__all__ = ["client"]


@click.group()
def client() -> None:
    """Programs that obtain tokens, and APIs that introspect them."""


@client.command()
@ini_argument
@click.argument("name")
@click.option("--id", "client_id", help="An id to use instead of a new one; for migrations.")
@click.option("--public", is_flag=True, help="It has no secret: a browser, phone or terminal application.")
@click.option("--resource-server", is_flag=True, help="It is an API: it introspects tokens and obtains none.")
@click.option(
    "--grant", "grants", multiple=True, help="client_credentials, authorization_code, refresh_token, device_code."
)
@click.option("--scope", "scopes", multiple=True, help="A scope that it may request.")
@click.option("--redirect-uri", "redirect_uris", multiple=True, help="Compared as an exact string.")
@click.option("--audience", "audiences", multiple=True, help="An API that its tokens may be for.")
@click.option(
    "--jwks",
    type=click.File("rb"),
    help="A file of its public keys, - for standard input; it signs with them (private_key_jwt) and has no secret.",
)
@FORMAT
@pass_run
def create(run: Run, ini: str, name: str, resource_server: bool, jwks: BinaryIO | None, style: str, **how: Any) -> None:
    """Register a client called NAME. Its secret is shown once. Options may be repeated."""
    keys = None if jwks is None else _read_keys(jwks)
    with open_application(ini) as registry:
        made = _open(registry).create(name, role=RESOURCE_SERVER if resource_server else CLIENT, jwks=keys, **how)
    secret = {} if made.secret is None else {"client_secret": made.secret}
    run.console.write_one({"client_id": made.client.client_id, **secret}, style)
    if made.secret is not None:
        run.console.say("The secret is not stored and can't be shown again.")


@client.command("list")
@ini_argument
@click.option("--all", "everything", is_flag=True, help="Also list revoked ones.")
@FORMAT
@pass_run
def list_them(run: Run, ini: str, everything: bool, style: str) -> None:
    """List the clients, the oldest first."""
    with open_application(ini) as registry:
        found = _open(registry).list_all()
    run.console.write_rows([_summarize(each) for each in found if everything or each.revoked_at is None], style)


@client.command()
@ini_argument
@click.argument("client_id", type=PRINTABLE)
@FORMAT
@pass_run
def show(run: Run, ini: str, client_id: str, style: str) -> None:
    """Show the registration of CLIENT_ID. Secrets are listed, but not shown."""
    with open_application(ini) as registry:
        found = _open(registry).find(client_id)
    if found is None:
        raise RegistrationError("client_id", "is not a client")
    run.console.write_one(_describe(found), style)


@client.command()
@ini_argument
@click.argument("client_id", type=PRINTABLE)
@click.option("--label", type=PRINTABLE, default="", help="To tell secrets apart.")
@click.option(
    "--overlap",
    default=f"{ROTATION_OVERLAP_SECONDS / 86400:g}d",
    show_default=True,
    help="How long the older secrets still work.",
)
@FORMAT
@pass_run
def rotate(run: Run, ini: str, client_id: str, label: str, overlap: str, style: str) -> None:
    """Give CLIENT_ID another secret. It is shown once."""
    try:
        seconds = as_duration(overlap)
    except ValueError as error:
        raise RegistrationError("overlap", str(error)) from None
    with open_application(ini) as registry:
        made = _open(registry).rotate_secret(client_id, label=label, overlap=seconds)
    run.console.write_one({"client_id": client_id, "secret_id": made.secret_id, "client_secret": made.secret}, style)
    run.console.say(f"The older secrets end at {format_time(time.time() + seconds)}.")


@client.command("keys")
@ini_argument
@click.argument("client_id", type=PRINTABLE)
@click.option("--jwks", type=click.File("rb"), required=True, help="A file of its public keys, - for standard input.")
@pass_run
def replace_keys(run: Run, ini: str, client_id: str, jwks: BinaryIO) -> None:
    """Replace the public keys of CLIENT_ID at once. For an overlap, give the old and the new ones first, later only the new."""
    keys = _read_keys(jwks)
    with open_application(ini) as registry:
        _open(registry).replace_keys(client_id, keys)
    run.console.say("replaced")


@client.command()
@ini_argument
@click.argument("client_id", type=PRINTABLE)
@click.option("--secret-id", type=PRINTABLE, help="Revoke only this secret; the client and its tokens stay valid.")
@pass_run
def revoke(run: Run, ini: str, client_id: str, secret_id: str | None) -> None:
    """Revoke CLIENT_ID and all its tokens, at once. This can't be undone."""
    with open_application(ini) as registry:
        clients = _open(registry)
        if secret_id is None:
            clients.revoke(client_id)
        else:
            clients.revoke_secret(client_id, secret_id)
    run.console.say("revoked")


def _open(registry: Any) -> ClientRegistry:
    require_service(registry)
    return get_clients(registry)


def _read_keys(file: BinaryIO) -> str:
    try:
        return file.read().decode("utf-8-sig")
    except (OSError, ValueError):
        raise RegistrationError("jwks", "must be a JSON Web Key Set in UTF-8") from None


def _summarize(found: Client) -> dict[str, Any]:
    return {
        "client_id": found.client_id,
        "name": found.name,
        "kind": found.role if found.role == RESOURCE_SERVER else "public" if found.public else "confidential",
        "grants": list(found.grants),
        "scopes": list(found.scopes),
        "revoked": format_time(found.revoked_at),
    }


def _describe(found: Client) -> dict[str, Any]:
    now = time.time()
    described = {
        **_summarize(found),
        "created": format_time(found.created_at),
        "redirect_uris": list(found.redirect_uris),
        "audiences": list(found.audiences),
    }
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
