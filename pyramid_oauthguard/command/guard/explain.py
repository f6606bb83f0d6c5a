"""``oauthguard explain``: why an application refuses a token."""

from __future__ import annotations

import codecs
import re
import sys
from typing import BinaryIO, Final

import click

from ...exit_status import TIMEOUT
from ...strict_json import parse_object
from ..application_file import load_registry
from ..output import FORMAT
from ..parameters import debug_option, ini_argument, pass_run
from ..run import Run
from .deadline import Deadline
from .explanation import explain_token, find_modes_in_use
from .options import START, silence, timeout_option
from .report import Outcomes

__all__ = ["explain"]

_MOST_BYTES: Final = 1_048_576
#: What comes before a token in a header; users copy it with the token.
_BEFORE: Final = re.compile(r"(authorization\s*:)?\s*(bearer(\s+|$))?", re.IGNORECASE)


@click.command()
@ini_argument
@click.argument("token", metavar="[-]", type=click.File("rb"), default="-")
@FORMAT
@timeout_option
@debug_option
@pass_run
def explain(run: Run, ini: str, token: BinaryIO, style: str, seconds: float) -> None:
    """Explain why the application of INI refuses a token.

    Reads the token from standard input, or from a file. Runs the verifiers that the application runs, and names the first
    check that fails and its setting.

    Exit status 0: accepted; 5: refused; 1, 4 or 6: the check could not be made, as with check.
    """
    raw = _read_token(token)
    shown = Outcomes(run.console, style)
    with silence(), Deadline(seconds, lambda step: shown.give_up(step, seconds), status=TIMEOUT) as deadline:
        deadline.step = START
        with shown.telling_programs():
            registry = load_registry(ini)
            for mode in find_modes_in_use(registry):
                deadline.step = f"the {mode} check"
                shown.show(explain_token(registry, raw, mode))
        shown.end()
    click.get_current_context().exit(shown.status)


def _find_in_answer(text: str) -> str | None:
    """The token in an answer of a token endpoint (RFC 6749 section 5.1), which users paste as a whole."""
    try:
        token = parse_object(text.encode()).get("access_token")
    except ValueError:
        return None
    return token if isinstance(token, str) else None


def _decode(data: bytes) -> str:
    """The text of a file. Windows PowerShell writes UTF-16, and some editors write a byte order mark before UTF-8."""
    is_utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode("utf-16" if is_utf16 else "utf-8-sig", "replace")


def _read_token(file: BinaryIO) -> str:
    if file is sys.stdin.buffer and file.isatty():
        click.echo("Paste the token, then press Enter and Ctrl-D.", err=True)
    text = _decode(file.read(_MOST_BYTES)).strip()
    raw = _find_in_answer(text) or text[_BEFORE.match(text).end() :]  # type: ignore[union-attr]  # it matches the empty string
    if not raw:
        raise click.UsageError("no token: send it to standard input, never give it as an argument")
    return raw
