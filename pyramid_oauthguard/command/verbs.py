"""The verbs of ``oauthguard`` by name, each imported only when it is called."""

from __future__ import annotations

import importlib
from typing import Final

import click

from ..client.errors import CommandError
from ..exit_status import USAGE
from .help_text import EPILOG
from .parameters import profile_option, speech_options

__all__ = ["cli", "explain_missing"]

# name: where its click command is, and what --help says. The last three live in the rooms they look into.
_VERBS: Final = {
    "login": (
        "pyramid_oauthguard.command.client.login:login",
        "Sign in as a user, in the browser or on another device.",
    ),
    "token": (
        "pyramid_oauthguard.command.client.token:token",
        "Print an access token: the login's, or the client's own.",
    ),
    "exec": (
        "pyramid_oauthguard.command.client.exec:run_command",
        "Run one command with the token in its environment.",
    ),
    "call": ("pyramid_oauthguard.command.client.call:call", "Send a request with the token, and explain a refusal."),
    "whoami": ("pyramid_oauthguard.command.client.whoami:whoami", "Print who is signed in."),
    "introspect": (
        "pyramid_oauthguard.command.client.introspect:introspect",
        "Ask the issuer about a token (RFC 7662).",
    ),
    "inspect": ("pyramid_oauthguard.command.client.inspect:inspect", "Decode a token and check it, one by one."),
    "revoke": ("pyramid_oauthguard.command.client.revoke:revoke", "Withdraw a token (RFC 7009)."),
    "logout": ("pyramid_oauthguard.command.client.logout:logout", "Revoke the login's tokens, then forget them."),
    "profiles": ("pyramid_oauthguard.command.client.profiles:profiles", "List the logins, or choose one."),
    "completion": (
        "pyramid_oauthguard.command.client.completion:completion",
        "Print the completion script of a shell.",
    ),
    "check": ("pyramid_oauthguard.command.guard.commands:check", "Is the configuration of an application sound?"),
    "explain": ("pyramid_oauthguard.command.guard.commands:explain", "Why does an application refuse this token?"),
    "server": ("pyramid_oauthguard.command.server:server", "Clients, keys and tokens of an authorization server."),
}
_EXTRAS: Final = {"server": "server", "check": "", "explain": ""}


class _Verbs(click.Group):
    """Loads a verb by its name, and lists them without loading any."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _VERBS:
            return None
        module, _, name = _VERBS[cmd_name][0].partition(":")
        try:
            command: click.Command = getattr(importlib.import_module(module), name)
        except ImportError as error:
            raise explain_missing(cmd_name, error) from error
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl([(name, text) for name, (_, text) in _VERBS.items()])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write("\n" + EPILOG)


@click.group(
    cls=_Verbs,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="pyramid_oauthguard", message="%(version)s")
@profile_option
@speech_options
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Get a token from any OAuth server, look into it, find out why an API refuses it, and revoke it."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def explain_missing(verb: str, error: ImportError) -> CommandError:
    """Which extra to install for ``verb``."""
    extra = _EXTRAS.get(verb, "client")
    wanted = f"pyramid_oauthguard[{extra}]" if extra else "pyramid_oauthguard"
    text = f"this needs {error.name or 'a module'}, which is not installed"
    return CommandError(USAGE, text, f"pip install '{wanted}'")
