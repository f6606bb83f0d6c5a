"""The verbs of ``oauthguard``: one table, from which a verb is imported only when it is called."""

from __future__ import annotations

import difflib
from importlib import import_module
from typing import Final, NamedTuple

import click
from click.shell_completion import CompletionItem

from ..client.errors import CommandError
from ..exit_status import USAGE
from .help_text import EPILOG, START
from .parameters import profile_option, speech_options
from .run import Run

__all__ = ["VERBS", "Verb", "cli", "explain_missing"]


class Verb(NamedTuple):
    """Where a verb is.

    :ivar module: below this package.
    :ivar name: the click command in the module.
    :ivar text: what ``--help`` says.
    :ivar extra: the extra of the distribution that the verb needs; empty if it needs only this command.
    """

    module: str
    name: str
    text: str
    extra: str = "client"

    def load(self) -> click.Command:
        """The click command. :raises ImportError: a distribution that it needs is not installed."""
        command: click.Command = getattr(import_module(f".{self.module}", __package__), self.name)
        return command


VERBS: Final = {
    "login": Verb("client.login", "login", "Sign in as a user, in the browser or on another device."),
    "token": Verb("client.token", "token", "Print an access token: the login's, or the client's own."),
    "exec": Verb("client.exec", "run_command", "Run one command with the token in its environment."),
    "call": Verb("client.call", "call", "Send a request with the token, and explain a refusal."),
    "whoami": Verb("client.whoami", "whoami", "Print who is signed in."),
    "introspect": Verb("client.introspect", "introspect", "Ask the issuer about a token (RFC 7662)."),
    "inspect": Verb("client.inspect", "inspect", "Decode a token and check each part of it."),
    "revoke": Verb("client.revoke", "revoke", "Revoke a token (RFC 7009)."),
    "logout": Verb("client.logout", "logout", "Revoke the login's tokens, then forget them."),
    "profiles": Verb("client.profiles", "profiles", "List the logins, or choose one."),
    "completion": Verb("client.completion", "completion", "Print the completion script of a shell."),
    "check": Verb("guard.check", "check", "Check the configuration of an application.", ""),
    "explain": Verb("guard.explain", "explain", "Explain why an application refuses a token.", ""),
    "settings": Verb("guard.settings", "settings", "Print the effective settings of an application.", ""),
    "server": Verb("server", "server", "Manage clients, keys and tokens of an authorization server.", "server"),
}


class _Verbs(click.Group):
    """Loads a verb by its name, and lists the verbs without loading any."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        verb = VERBS.get(cmd_name)
        if verb is None:
            return None
        try:
            return verb.load()
        except ImportError as error:
            raise explain_missing(cmd_name, error) from error

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        verbs = [CompletionItem(name, help=verb.text) for name, verb in VERBS.items() if name.startswith(incomplete)]
        return verbs + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl([(name, verb.text) for name, verb in VERBS.items()])

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_help_text(ctx, formatter)
        formatter.write("\n" + START)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The verb that ``args`` begin with. One that does not exist is answered with the one that looks like it."""
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], VERBS, 1)
            hint = f". Did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(f"No such command {args[0]!r}{hint}", ctx)
        return super().resolve_command(ctx, args)

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
    """Get a token from any OAuth server, inspect it, find out why an API refuses it, and revoke it."""
    ctx.ensure_object(Run).verb = ctx.invoked_subcommand or ""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def explain_missing(verb: str, error: ImportError) -> CommandError:
    """The error that names the extra to install for ``verb``."""
    extra = VERBS[verb].extra if verb in VERBS else "client"
    wanted = f"pyramid_oauthguard[{extra}]" if extra else "pyramid_oauthguard"
    text = f"this needs {error.name or 'a module'}, which is not installed"
    return CommandError(USAGE, text, f"pip install '{wanted}'")
