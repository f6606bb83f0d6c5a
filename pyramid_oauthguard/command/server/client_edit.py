"""``oauthguard server client edit``."""

from __future__ import annotations

from typing import Any, BinaryIO, Final

import click

from ...server.clients.logos import read_logo
from ...server.clients.registry import RegistrationError
from ..parameters import PRINTABLE, ini_argument, pass_run
from ..run import Run
from .application import open_application
from .client_fields import FIELD_OPTIONS, read_fields
from .client_output import open_clients

__all__ = ["edit"]

_EMPTY: Final[dict[str, Any]] = {
    **dict.fromkeys(("grants", "scopes", "redirect_uris", "audiences"), ()),
    **dict.fromkeys(("access_token_ttl", "refresh_token_ttl", "refresh_token_max_age")),
    **dict.fromkeys(("owner", "home_page", "policy")),
}


@click.command()
@ini_argument
@click.argument("client_id", type=PRINTABLE)
@click.option("--name", type=PRINTABLE, help="What people read on the consent page.")
@FIELD_OPTIONS
@click.option("--logo", type=click.File("rb"), help="A PNG, JPEG, GIF or WebP file of at most 64 KiB.")
@click.option(
    "--clear", "cleared", type=click.Choice([*_EMPTY, "logo"]), multiple=True, help="Remove what was set before."
)
@pass_run
def edit(
    run: Run, ini: str, client_id: str, name: str | None, logo: BinaryIO | None, cleared: tuple[str, ...], **how: Any
) -> None:
    """Change CLIENT_ID: what the options name, and nothing else.

    An option that may be repeated replaces the whole list.
    """
    changes = {**read_fields(how), **({} if name is None else {"name": name})}
    changes |= {field: _EMPTY[field] for field in cleared if field != "logo"}
    image = None if logo is None else logo.read()
    if image is not None:
        read_logo(image)  # before anything is changed
    if not changes and image is None and "logo" not in cleared:
        raise RegistrationError("options", "name what to change, such as --scope; --help lists all of them")
    with open_application(ini) as registry:
        clients = open_clients(registry)
        clients.edit(client_id, **changes)
        if image is not None or "logo" in cleared:
            clients.set_logo(client_id, image)
    run.console.say("changed")
