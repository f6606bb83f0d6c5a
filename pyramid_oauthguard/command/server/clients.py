"""``oauthguard server client``."""

from __future__ import annotations

import time
from typing import Any, BinaryIO

import click

from ...server.clients.registry import ROTATION_OVERLAP_SECONDS, RegistrationError, get_clients
from ...server.store.records import CLIENT, RESOURCE_SERVER
from ...settings import as_duration
from ..output import FORMAT, format_time
from ..parameters import PRINTABLE, ini_argument, pass_run
from ..run import Run
from .application import open_application
from .client_edit import edit
from .client_fields import FIELD_OPTIONS, read_fields
from .client_output import describe, summarize
from .imports import import_clients

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
@FIELD_OPTIONS
@click.option(
    "--jwks",
    type=click.File("rb"),
    help="A file of its public keys, - for standard input; it signs with them (private_key_jwt) and has no secret.",
)
@FORMAT
@pass_run
def create(
    run: Run,
    ini: str,
    name: str,
    *,
    client_id: str | None,
    public: bool,
    resource_server: bool,
    jwks: BinaryIO | None,
    style: str,
    **how: Any,
) -> None:
    """Register a client called NAME. Its secret is shown once. Options may be repeated."""
    keys = None if jwks is None else _read_keys(jwks)
    with open_application(ini) as registry:
        role, fields = RESOURCE_SERVER if resource_server else CLIENT, read_fields(how)
        made = get_clients(registry).create(name, client_id=client_id, public=public, role=role, jwks=keys, **fields)
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
        found = get_clients(registry).list_all()
    run.console.write_rows([summarize(each) for each in found if everything or each.revoked_at is None], style)


@client.command()
@ini_argument
@click.argument("client_id", type=PRINTABLE)
@FORMAT
@pass_run
def show(run: Run, ini: str, client_id: str, style: str) -> None:
    """Show the registration of CLIENT_ID. Secrets are listed, but not shown."""
    with open_application(ini) as registry:
        found = get_clients(registry).find(client_id)
    if found is None:
        raise RegistrationError("client_id", "is not a client")
    run.console.write_one(describe(found), style)


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
        made = get_clients(registry).rotate_secret(client_id, label=label, overlap=seconds)
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
        get_clients(registry).replace_keys(client_id, keys)
    run.console.say("replaced")


@client.command()
@ini_argument
@click.argument("client_id", type=PRINTABLE)
@click.option("--secret-id", type=PRINTABLE, help="Revoke only this secret; the client and its tokens stay valid.")
@pass_run
def revoke(run: Run, ini: str, client_id: str, secret_id: str | None) -> None:
    """Revoke CLIENT_ID and all its tokens, at once. This can't be undone."""
    with open_application(ini) as registry:
        clients = get_clients(registry)
        if secret_id is None:
            clients.revoke(client_id)
        else:
            clients.revoke_secret(client_id, secret_id)
    run.console.say("revoked")


def _read_keys(file: BinaryIO) -> str:
    try:
        return file.read().decode("utf-8-sig")
    except (OSError, ValueError):
        raise RegistrationError("jwks", "must be a JSON Web Key Set in UTF-8") from None


client.add_command(edit)
client.add_command(import_clients)
