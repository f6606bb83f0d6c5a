"""How a run ends: every error becomes one line and a status, and a traceback only where it was asked for."""

from __future__ import annotations

import os
import re
import sys
import warnings
from typing import Final

import click

from ..client.errors import CommandError
from ..client.text import clean
from ..exit_status import INACTIVE, NETWORK, OK, USAGE
from .output import Console
from .run import Run, build_run
from .verbs import cli, explain_missing

__all__ = ["run_to_the_end"]

_WORD: Final = re.compile(r"[\w.-]+")
_INTERRUPTED: Final = 130  # as shells have it: 128 and the number of the signal
_NO_READER: Final = 141


def run_to_the_end() -> int:
    """Run the command line and return the exit status of the contract."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # what one library thinks of another is no word for a user
    run = build_run()
    try:
        return _run(run)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # Who reads our output has enough; Python would complain again while it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _NO_READER


def _run(run: Run) -> int:
    try:
        result = cli.main(prog_name="oauthguard", obj=run, standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        # A group without a verb: its help is the answer, as with --help. Click's own status, 2, means a refusal here.
        click.echo(error.ctx.get_help())
        return OK
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
    from ..client.errors import as_command_error
    from ..errors import OAuthGuardError, TokenError, UnavailableError

    if isinstance(error, CommandError):
        return error.exit_status, str(error)
    if isinstance(error, UnavailableError):
        found = as_command_error(error)
        return found.exit_status, str(found)
    if isinstance(error, TokenError):
        return INACTIVE, f"the token is refused: {error.reason}"
    if isinstance(error, OAuthGuardError):
        return USAGE, str(error)
    if isinstance(error, ImportError):
        found = explain_missing(sys.argv[1] if len(sys.argv) > 1 else "", error)
        return found.exit_status, str(found)
    if isinstance(error, OSError):
        status = NETWORK if isinstance(error, ConnectionError | TimeoutError) else USAGE
        return status, f"{error.strerror or type(error).__name__}: {error.filename or 'no file'}"
    return USAGE, f"this is a bug: {type(error).__name__}; --debug shows where"


def _describe_usage(error: click.ClickException) -> str:
    text = _WORD.sub(_mask_jwt, error.format_message())
    # Either may be a secret, so it is not repeated.
    if "unexpected extra argument" in text:
        text = "an argument too many"
    elif isinstance(error, click.BadParameter) and error.param and error.param.name == "token":
        text = "this is no file with a token; a token itself is never given on the command line"
    context = getattr(error, "ctx", None)
    text = " ".join(text.split())  # click lists choices on lines of their own
    return f"{text.rstrip('.')}; see {context.command_path if context else 'oauthguard'} --help"


def _mask_jwt(word: re.Match[str]) -> str:
    return "***" if "eyJ" in word[0] and "." in word[0] else word[0]


def _fail(console: Console, status: int, text: str) -> int:
    if console.debug:
        import traceback

        click.echo(clean(console.redact(traceback.format_exc()), keep="\n"), err=True)
    console.fail(text)
    return status
