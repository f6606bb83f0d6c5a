"""``oauthguard exec``."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping

import click

from ...client.errors import CommandError
from ...exit_status import USAGE
from ..holder import fetch_tokens
from ..parameters import client_options, pass_run
from ..run import Run

_NOT_FOUND = 127  # as in shells
_NOT_RUNNABLE = 126
# The variables of OAUTHGUARD_* that CMD gets: none is a credential. A list of credentials would miss a new one.
_HARMLESS = frozenset(
    f"OAUTHGUARD_{name}"
    for name in ("ISSUER", "CLIENT_ID", "SCOPE", "AUDIENCE", "RESOURCE", "AUTH_METHOD", "CA_FILE", "PROFILE", "HOME")
)


@click.command(
    "exec",
    context_settings={"ignore_unknown_options": False},
)
@click.option("--name", default="OAUTHGUARD_TOKEN", show_default=True, help="The variable for the token.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- CMD [ARG]...")
@client_options
@pass_run
def run_command(run: Run, name: str, command: tuple[str, ...]) -> int:
    """Run CMD with an access token in its environment, and end with its status.

    The environment of CMD contains no other secret or token of OAUTHGUARD_*.

    \b
      oauthguard exec -- ./deploy.sh
      oauthguard exec --name API_TOKEN -- npm publish
    """
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise CommandError(USAGE, f"{name!r} is not the name of a variable")
    token = fetch_tokens(run).access_token
    return _replace_process(command, {**_without_credentials(run.environ), name: token})


def _without_credentials(environ: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environ.items()
        if name.upper() in _HARMLESS or not name.upper().startswith("OAUTHGUARD_")
    }


def _restore_signals() -> None:
    """Python ignores these signals, and CMD would, too: it would not end when the reader of its output does."""
    for name in ("SIGPIPE", "SIGXFSZ"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)


def _replace_process(command: tuple[str, ...], environ: dict[str, str]) -> int:
    sys.stdout.flush()
    try:
        if os.name != "posix":
            return subprocess.run(command, env=environ, check=False).returncode  # noqa: S603  # running it is the point
        _restore_signals()
        os.execvpe(command[0], command, environ)  # noqa: S606  # running it is the point
    except FileNotFoundError as error:
        raise CommandError(_NOT_FOUND, f"{command[0]}: not found") from error
    except OSError as error:
        raise CommandError(_NOT_RUNNABLE, f"{command[0]}: {error.strerror}") from error
