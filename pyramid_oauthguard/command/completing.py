"""What a shell completes besides verbs and options: profiles, issuers of profiles, methods, files."""

from __future__ import annotations

from typing import Final

import click
from click.shell_completion import CompletionItem

from ..client.errors import CommandError
from .run import Run

__all__ = [
    "METHODS",
    "complete_auth_methods",
    "complete_files",
    "complete_issuers",
    "complete_methods",
    "complete_profiles",
]

#: The usual methods of HTTP.
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
_AUTH_METHODS: Final = ("client_secret_basic", "client_secret_post", "none")


def complete_profiles(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """The names of the logins."""
    return [name for name in _list_profiles(ctx) if name.startswith(incomplete)]


def complete_issuers(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """The issuers of the logins."""
    found = set()
    for name in _list_profiles(ctx):
        try:
            profile = ctx.ensure_object(Run).profiles.load(name)
        except CommandError:  # a damaged file; completion says nothing
            continue
        if profile is not None and profile.issuer.startswith(incomplete):
            found.add(profile.issuer)
    return sorted(found)


def complete_methods(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """The methods of HTTP."""
    return [method for method in METHODS if method.startswith(incomplete.upper())]


def complete_auth_methods(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """The ways in which a client authenticates."""
    return [method for method in _AUTH_METHODS if method.startswith(incomplete)]


def complete_files(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The files of the folder: the shell finds them itself."""
    return [CompletionItem(incomplete, type="file")]


def _list_profiles(ctx: click.Context) -> list[str]:
    try:
        return ctx.ensure_object(Run).profiles.list()
    except CommandError:  # such as a folder that is open to others; the verb says so
        return []
