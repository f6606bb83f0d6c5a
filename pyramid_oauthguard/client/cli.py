"""The ``oauthguard`` command. Imports a verb only when it is called: ``--help`` needs click and nothing else."""

from __future__ import annotations

import importlib
import os
import re
import sys
from typing import Any, Final

import click

from .console import Console, clean
from .errors import NETWORK, OK, USAGE, CommandError
from .manual import EPILOG
from .parameters import profile_option, speech_options
from .run import build_run

__all__ = ["main"]

# name: where its click command is, and what --help says. The last three live in the rooms they look into.
_VERBS: Final = {
    "login": (
        "pyramid_oauthguard.client.commands.login:login",
        "Sign in as a user, in the browser or on another device.",
    ),
    "token": (
        "pyramid_oauthguard.client.commands.token:token",
        "Print an access token: the login's, or the client's own.",
    ),
    "exec": (
        "pyramid_oauthguard.client.commands.exec:run_command",
        "Run one command with the token in its environment.",
    ),
    "call": ("pyramid_oauthguard.client.commands.call:call", "Send a request with the token, and explain a refusal."),
    "whoami": ("pyramid_oauthguard.client.commands.whoami:whoami", "Print who is signed in."),
    "introspect": (
        "pyramid_oauthguard.client.commands.introspect:introspect",
        "Ask the issuer about a token (RFC 7662).",
    ),
    "inspect": ("pyramid_oauthguard.client.commands.inspect:inspect", "Decode a token and check it, one by one."),
    "revoke": ("pyramid_oauthguard.client.commands.revoke:revoke", "Withdraw a token (RFC 7009)."),
    "logout": ("pyramid_oauthguard.client.commands.logout:logout", "Revoke the login's tokens, then forget them."),
    "profiles": ("pyramid_oauthguard.client.commands.profiles:profiles", "List the logins, or choose one."),
    "completion": (
        "pyramid_oauthguard.client.commands.completion:completion",
        "Print the completion script of a shell.",
    ),
    "check": ("pyramid_oauthguard.guard.commands:check", "Is the configuration of an application sound?"),
    "explain": ("pyramid_oauthguard.guard.commands:explain", "Why does an application refuse this token?"),
    "server": ("pyramid_oauthguard.server.commands:server", "Clients, keys and tokens of an authorization server."),
}
_JWT: Final = re.compile(r"eyJ[\w-]*\.[\w.-]*")
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
            raise _explain_missing(cmd_name, error) from error
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl([(name, text) for name, (_, text) in _VERBS.items()])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write("\n" + EPILOG)


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="pyramid_oauthguard", message="%(version)s")
@profile_option
@speech_options
def cli() -> None:
    """Get a token from any OAuth server, look into it, find out why an API refuses it, and revoke it."""


def main() -> None:
    """The entry point: run the command line and end the process with the status of the contract."""
    run = build_run()
    try:
        status = _run(run)
    except KeyboardInterrupt:
        status = 130
    except BrokenPipeError:
        # Who reads our output has enough; Python would complain again while it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 141
    sys.exit(status)


def _run(run: Any) -> int:
    try:
        result = cli.main(prog_name="oauthguard", obj=run, standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.Abort:
        raise KeyboardInterrupt from None
    except click.ClickException as error:
        return _fail(run.console, USAGE, _describe_usage(error))
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001  # no traceback for a person who did not ask for one
        status, text = _describe(error)
        return _fail(run.console, status, text)
    return result if isinstance(result, int) else OK


def _describe(error: Exception) -> tuple[int, str]:
    """The exit status and the line for whatever ended the run."""
    from ..errors import OAuthGuardError, SettingError, TokenError, UnavailableError
    from .errors import INACTIVE, as_command_error

    if isinstance(error, CommandError):
        return error.exit_status, str(error)
    if isinstance(error, UnavailableError):
        found = as_command_error(error)
        return found.exit_status, str(found)
    if isinstance(error, TokenError):
        return INACTIVE, f"the token is refused: {error.reason}"
    if isinstance(error, SettingError | OAuthGuardError):
        return USAGE, str(error)
    if isinstance(error, OSError):
        return USAGE if error.filename else NETWORK, f"{error.strerror or type(error).__name__}: {error.filename or ''}"
    return USAGE, f"this is a bug: {type(error).__name__}; --debug shows where"


def _describe_usage(error: click.ClickException) -> str:
    text = error.format_message()
    if "unexpected extra argument" in text:
        text = "an argument too many"  # it may be a secret, so it is not repeated
    text = _JWT.sub("***", text)
    context = getattr(error, "ctx", None)
    return f"{text.rstrip('.')}; see {context.command_path if context else 'oauthguard'} --help"


def _fail(console: Console, status: int, text: str) -> int:
    if console.debug:
        import traceback

        click.echo(clean(console.redact(traceback.format_exc()), keep="\n"), err=True)
    console.fail(text)
    return status


def _explain_missing(verb: str, error: ImportError) -> CommandError:
    extra = _EXTRAS.get(verb, "client")
    wanted = f"pyramid_oauthguard[{extra}]" if extra else "pyramid_oauthguard"
    return CommandError(
        USAGE, f"{verb} needs {error.name or 'a module'}, which is not installed", f"pip install '{wanted}'"
    )
