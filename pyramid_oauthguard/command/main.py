"""The entry point of the ``oauthguard`` command: runs it, and turns every error into one line and an exit status.

Imports nothing that has to be installed, so that it can say what is missing.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import threading
import warnings
from typing import TYPE_CHECKING, Final, NoReturn

from ..exit_status import INACTIVE, NETWORK, OK, USAGE
from .streams import prepare, settle

if TYPE_CHECKING:
    import click

    from .run import Run

__all__ = ["main"]

_WORD: Final = re.compile(r"[\w.-]+")
#: How click suggests several commands or options.
_SEVERAL: Final = re.compile(r"\((?:Did you mean one of|Possible options): ([^?()]*)\??\)")
_INTERRUPTED: Final = 130  # as in shells: 128 and the number of the signal
_NO_READER: Final = 141


def main() -> None:
    """Run the command line and end the process with its exit status."""
    try:
        prepare()
        status = _start()
    except KeyboardInterrupt:  # also while modules are imported
        status = _INTERRUPTED
    _leave(status)


def _start() -> int:
    try:
        from .run import Run
        from .verbs import cli
    except ImportError as error:
        missing = f"oauthguard: the command needs {error.name}, which is not installed"
        sys.stderr.write(f"{missing}; pip install 'pyramid_oauthguard[client]'\n")
        return USAGE
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # warnings of libraries are for developers
    return _run(cli, Run())


def _run(cli: click.Command, run: Run) -> int:
    """Run the command line. The exit status, whatever happens."""
    try:
        return _invoke(cli, run)
    except BrokenPipeError:
        return _NO_READER  # the reader of the output has ended


def _invoke(cli: click.Command, run: Run) -> int:
    out = sys.stdout
    try:
        result = cli.main(prog_name="oauthguard", obj=run, standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except SystemExit:
        if sys.stdout is not out:  # click puts a wrapper there if the reader has ended, and then ends with 1
            return _NO_READER
        raise
    except Exception as error:  # noqa: BLE001  # a traceback is printed only if the user asks for it
        return _end(run, error)
    return result if isinstance(result, int) else OK


def _end(run: Run, error: Exception) -> int:
    """Print why the command ends because of ``error``. The exit status."""
    import click

    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, click.Abort):
        return _INTERRUPTED
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        # A group without a verb prints its help, as with --help. Click's own status, 2, means a refusal here.
        click.echo(error.ctx.get_help())
        return OK
    if isinstance(error, click.ClickException):
        _fail(run, _describe_usage(error))
        return USAGE
    if run.console.debug:
        _print_traceback(run)
    status, text = _describe(error, run.verb)
    _fail(run, text)
    return status


def _fail(run: Run, text: str) -> None:
    with contextlib.suppress(OSError):  # nobody reads it: the exit status still says how it ended
        run.console.fail(text)


def _describe(error: Exception, verb: str) -> tuple[int, str]:
    """The exit status and the line for an error that ends the run of ``verb``."""
    from ..client.errors import CommandError, as_command_error
    from ..errors import OAuthGuardError, TokenError, UnavailableError
    from .verbs import explain_missing

    if isinstance(error, UnavailableError):
        error = as_command_error(error)
    elif isinstance(error, ImportError):
        error = explain_missing(verb, error)
    if isinstance(error, CommandError):
        return error.exit_status, str(error)
    if isinstance(error, TokenError):
        return INACTIVE, f"the token is refused: {error.reason}"
    if isinstance(error, OAuthGuardError):
        return USAGE, str(error)
    if isinstance(error, OSError):
        status = NETWORK if isinstance(error, ConnectionError | TimeoutError) else USAGE
        return status, ": ".join(filter(None, (error.strerror or type(error).__name__, str(error.filename or ""))))
    return USAGE, f"this is a bug: {type(error).__name__}; --debug shows where"


def _describe_usage(error: click.ClickException) -> str:
    """The line for a wrong command line. What may be a secret is not repeated."""
    import click

    text = _WORD.sub(_mask_jwt, error.format_message())
    if "unexpected extra argument" in text:
        text = "too many arguments"
    elif isinstance(error, click.BadParameter) and error.param and error.param.name == "token":
        # What was given may be a token, so it is not repeated, nor is it known whether a file was meant.
        text = "there is no such file: the token must be in a file or on standard input, never on the command line"
    context = getattr(error, "ctx", None)
    text = " ".join(text.split())  # click lists choices on lines of their own
    text = _SEVERAL.sub(_join_suggestions, text)
    link = " See" if text.endswith("?") else "; see"
    return f"{text.rstrip('.')}{link} {context.command_path if context else 'oauthguard'} --help"


def _join_suggestions(found: re.Match[str]) -> str:
    return f"Did you mean {found[1].replace(', ', ' or ')}?"


def _mask_jwt(word: re.Match[str]) -> str:
    return "***" if "eyJ" in word[0] and "." in word[0] else word[0]


def _print_traceback(run: Run) -> None:
    import traceback

    from ..client.text import clean

    sys.stderr.write(clean(run.console.redact(traceback.format_exc()), keep="\n") + "\n")


def _leave(status: int) -> NoReturn:
    """End the process with ``status``, even if an application that a verb started left threads that do not end."""
    settle()
    if any(thread is not threading.main_thread() and not thread.daemon for thread in threading.enumerate()):
        os._exit(status)
    sys.exit(status)


if __name__ == "__main__":
    main()
