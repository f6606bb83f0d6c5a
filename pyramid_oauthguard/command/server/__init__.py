"""``oauthguard server``: operate an authorization server by its ini file."""

from __future__ import annotations

import click

from .audit import audit
from .clients import client
from .keys import key
from .tokens import prune, token
from .upgrade import upgrade
from .users import user

__all__ = ["server"]


@click.group()
def server() -> None:
    """Clients, keys, tokens, tables and audit trail of the authorization server of an INI file.

    Data goes to standard output, messages to standard error. A secret is shown once, when it is made.
    """


for command in (client, key, token, user, prune, upgrade, audit):
    server.add_command(command)
