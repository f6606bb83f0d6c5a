"""``oauthguard check`` and ``oauthguard explain``: what a deployer asks of an ini file."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Final, TypeVar

import click

from ...errors import SettingError
from ...exit_status import TIMEOUT
from ...interfaces import Finding, ISelfCheck, Step
from .application_file import load_registry, silence
from .deadline import Deadline
from .explanation import explain_token, find_modes_in_use
from .report import Findings, Outcomes

__all__ = ["check", "explain"]

F = TypeVar("F", bound=Callable[..., Any])

#: With the start of the interpreter and the last words, less than half a minute.
_DEADLINE_SECONDS: Final = 25.0
_START: Final = "the start of the application"
_MAX_INPUT: Final = 1_048_576
#: What comes before a token in a header; people copy it along.
_BEFORE: Final = re.compile(r"(authorization\s*:)?\s*(bearer(\s+|$))?", re.IGNORECASE)


def _set_debug(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    """Also understood behind the verb. The command's console is reached by what it is given: rooms don't import it."""
    console = getattr(ctx.obj, "console", None)
    if value and console is not None:
        console.debug = True


def _common_options(command: F) -> F:
    style = click.option("--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True)
    debug = click.option(
        "--debug", is_flag=True, expose_value=False, callback=_set_debug, help="A traceback with a failure."
    )
    return debug(style(command))


_timeout_option = click.option(
    "--timeout",
    "seconds",
    type=click.FloatRange(min=1, max=3600),
    default=_DEADLINE_SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="End after so many seconds, whatever is waited for.",
)


@click.command()
@click.argument("ini")
@_common_options
@_timeout_option
@click.pass_context
def check(ctx: click.Context, ini: str, style: str, seconds: float) -> None:
    """Is the configuration in INI sound?

    Starts the application, reaches the issuer, compares its metadata and clock, lists the usable keys, and every
    guarded view with its check, requirement and permission. INI may end in #name for a section other than [app:main].

    Exit status 0: no error, perhaps warnings; 1: the configuration has an error; 4: a step did not end in time; 6: the
    issuer can't be reached.
    """
    found = Findings(style, sys.stdout)
    with silence(), Deadline(seconds, lambda step: found.give_up(step, seconds), status=TIMEOUT) as deadline:
        deadline.step = _START
        for each in _collect(load_registry(ini), ini, deadline):
            found.show(each)
        found.end()
    ctx.exit(found.status)


@click.command()
@click.argument("ini")
@click.argument("token", metavar="[-]", type=click.File("rb"), default="-")
@_common_options
@_timeout_option
@click.pass_context
def explain(ctx: click.Context, ini: str, token: BinaryIO, style: str, seconds: float) -> None:
    """Why does the application of INI refuse a token?

    The token comes from standard input, or from a file that is named. Runs the verifiers that the application would,
    and names the first check that fails and the setting it comes from.

    Exit status 0: accepted; 5: refused; 1, 4 or 6: nobody can say, as with check.
    """
    raw = _read_token(token)
    shown = Outcomes(style, sys.stdout)
    with silence(), Deadline(seconds, lambda step: shown.give_up(step, seconds), status=TIMEOUT) as deadline:
        deadline.step = _START
        registry = load_registry(ini)
        for mode in find_modes_in_use(registry):
            deadline.step = f"the {mode} check"
            shown.show(explain_token(registry, raw, mode))
        shown.end()
    ctx.exit(shown.status)


def _collect(registry: Any, ini: str, deadline: Deadline) -> Iterator[Finding]:
    checks = sorted(registry.getUtilitiesFor(ISelfCheck), key=lambda named: str(named[0]))
    if not checks:
        raise SettingError(
            ini, "its application has nothing to check", 'config.include("pyramid_oauthguard") guards it'
        )
    for name, look in checks:
        deadline.step = f"the check {str(name)!r}"
        try:
            for each in look(registry):
                if isinstance(each, Step):
                    deadline.step = each.subject
                else:
                    yield each
        except Exception as error:  # noqa: BLE001  # one check that breaks must not hide the others
            yield Finding("error", str(name), f"this check itself failed with {type(error).__qualname__}: {error}")


def _read_token(file: BinaryIO) -> str:
    if file is sys.stdin.buffer and file.isatty():
        click.echo("Paste the token, then press Enter and Ctrl-D.", err=True)
    text = file.read(_MAX_INPUT).decode("utf-8", "replace").strip()
    raw = text[_BEFORE.match(text).end() :]  # type: ignore[union-attr]  # it matches the empty string
    if not raw:
        raise click.UsageError("no token: give it on standard input, never as an argument")
    return raw
