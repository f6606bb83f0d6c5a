"""``oauthguard server client edit``."""

from __future__ import annotations

from typing import Any, BinaryIO, Final

import click

from ...server.clients.logos import read_logo
from ...server.clients.registry import ClientRegistry, RegistrationError, get_clients
from ..parameters import PRINTABLE, ini_argument, pass_run
from ..run import Run
from .application import open_application
from .client_fields import FIELD_OPTIONS, read_fields
from .shared_keys import shared_key_option

__all__ = ["edit"]

_EMPTY: Final[dict[str, Any]] = {
    **dict.fromkeys(("grants", "scopes", "redirect_uris", "audiences", "assertion_subjects"), ()),
    **dict.fromkeys(("access_token_ttl", "refresh_token_ttl", "refresh_token_max_age")),
    **dict.fromkeys(("owner", "home_page", "policy", "jwks_uri")),
}
#: What the registry stores by methods of their own, with None for nothing.
_APART: Final = {"logo": ClientRegistry.set_logo, "shared_key": ClientRegistry.set_shared_key}


@click.command()
@ini_argument
@click.argument("client_id", type=PRINTABLE)
@click.option("--name", type=PRINTABLE, help="What people read on the consent page.")
@FIELD_OPTIONS
@click.option("--logo", type=click.File("rb"), help="A PNG, JPEG, GIF or WebP file of at most 64 KiB.")
@shared_key_option
@click.option(
    "--clear", "cleared", type=click.Choice([*_EMPTY, *_APART]), multiple=True, help="Remove what was set before."
)
@pass_run
def edit(
    run: Run,
    ini: str,
    client_id: str,
    *,
    name: str | None,
    logo: BinaryIO | None,
    shared_key: bytes | None,
    cleared: tuple[str, ...],
    **how: Any,
) -> None:
    """Change CLIENT_ID: what the options name, and nothing else.

    An option that may be repeated replaces the whole list.
    """
    changes = {**read_fields(how), **({} if name is None else {"name": name})}
    changes |= {field: _EMPTY[field] for field in cleared if field in _EMPTY}
    apart: dict[str, bytes | None] = {field: None for field in cleared if field in _APART}
    apart |= {} if shared_key is None else {"shared_key": shared_key}
    apart |= {} if logo is None else {"logo": _read_logo(logo)}
    if not changes and not apart:
        raise RegistrationError("options", "name what to change, such as --scope; --help lists all of them")
    with open_application(ini) as registry:
        clients = get_clients(registry)
        if "shared_key" in apart:
            _check_kind(clients, client_id)
        clients.edit(client_id, **changes)
        for field, value in apart.items():
            _APART[field](clients, client_id, value)
    run.console.say("changed")


def _read_logo(file: BinaryIO) -> bytes:
    data = file.read()
    read_logo(data)  # before anything is changed
    return data


def _check_kind(clients: ClientRegistry, client_id: str) -> None:
    """Before anything is changed: the other changes would be stored."""
    found = clients.find(client_id)
    if found is not None and (found.public or found.is_self_registered):
        raise RegistrationError("shared_key", "is for a confidential client of the operator")
