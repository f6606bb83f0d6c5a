"""``oauthguard check`` and ``oauthguard explain``: what a deployer asks of an ini file."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from typing import Any, BinaryIO, Final, TypeVar

import click

from ..errors import SettingError
from ..interfaces import Finding, ISelfCheck
from .application_file import load_registry, silence
from .exit_status import REFUSED
from .explanation import Explanation, explain_token

__all__ = ["check", "explain"]

F = TypeVar("F", bound=Callable[..., Any])

_MARKS: Final = {"ok": "  ok  ", "warning": "  warn", "error": "  FAIL"}
_MAX_INPUT: Final = 1_048_576
_MAX_ANSWER: Final = 4000
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


@click.command()
@click.argument("ini")
@_common_options
@click.pass_context
def check(ctx: click.Context, ini: str, style: str) -> None:
    """Is the configuration in INI sound?

    Starts the application, reaches the issuer, compares its metadata and clock, lists the usable keys, and every
    guarded view with its check, requirement and permission. INI may end in #name for a section other than [app:main].

    Exit status 0: no error, perhaps warnings; 1: the configuration has an error; 6: the issuer can't be reached.
    """
    with silence():
        findings = _show_findings(_collect(load_registry(ini), ini), style)
    ctx.exit(max((each.status for each in findings if each.level == "error"), default=0))


@click.command()
@click.argument("ini")
@click.argument("token", metavar="[-]", type=click.File("rb"), default="-")
@_common_options
@click.pass_context
def explain(ctx: click.Context, ini: str, token: BinaryIO, style: str) -> None:
    """Why does the application of INI refuse a token?

    The token comes from standard input, or from a file that is named. Runs the verifiers that the application would,
    and names the first check that fails and the setting it comes from.

    Exit status 0: accepted; 5: refused; 1 or 6: nobody can say, as with check.
    """
    raw = _read_token(token)
    with silence():
        outcomes = explain_token(load_registry(ini), raw)
    if style == "json":
        click.echo(json.dumps([asdict(each) for each in outcomes], indent=2, default=str))
    else:
        for each in outcomes:
            _show_outcome(each)
    statuses = {each.status for each in outcomes}
    ctx.exit(REFUSED if REFUSED in statuses else max(statuses))


def _collect(registry: Any, ini: str) -> Iterator[Finding]:
    checks = sorted(registry.getUtilitiesFor(ISelfCheck), key=lambda named: str(named[0]))
    if not checks:
        raise SettingError(
            ini, "its application has nothing to check", 'config.include("pyramid_oauthguard") guards it'
        )
    for name, look in checks:
        try:
            yield from look(registry)
        except Exception as error:  # noqa: BLE001  # one check that breaks must not hide the others
            yield Finding("error", str(name), f"this check itself failed with {type(error).__qualname__}: {error}")


def _show_findings(findings: Iterable[Finding], style: str) -> list[Finding]:
    """Each as soon as it is found: an issuer may take its time."""
    if style == "json":
        shown = list(findings)
        click.echo(json.dumps([asdict(each) for each in shown], indent=2))
        return shown
    shown = []
    for each in findings:
        shown.append(each)
        _write(f"{_MARKS[each.level]}  {each.subject}: {each.text}")
        if each.hint:
            _write(f"          {each.hint}")
    click.echo(", ".join(_count(shown, level) for level in ("error", "warning")), err=True)
    return shown


def _count(findings: list[Finding], level: str) -> str:
    number = sum(each.level == level for each in findings)
    return f"{number} {level}{'' if number == 1 else 's'}"


def _show_outcome(outcome: Explanation) -> None:
    verdict = "accepted" if outcome.reason is None else outcome.reason
    word = {0: "", REFUSED: "REFUSED: "}.get(outcome.status, "CAN'T SAY: ")
    _write(f"{outcome.mode:6}  {word}{verdict}")
    _write(f"        {outcome.text}")
    if outcome.answer is not None:
        _write(f"        answer:  {json.dumps(outcome.answer, ensure_ascii=False, default=str)[:_MAX_ANSWER]}")
    for line in outcome.keys:
        _write(f"        key:     {line}")
    if outcome.setting:
        _write(f"        setting: {outcome.setting}")
    if outcome.advice:
        _write(f"        to do:   {outcome.advice}")


def _read_token(file: BinaryIO) -> str:
    if file is sys.stdin.buffer and file.isatty():
        click.echo("Paste the token, then press Enter and Ctrl-D.", err=True)
    text = file.read(_MAX_INPUT).decode("utf-8", "replace").strip()
    raw = text[_BEFORE.match(text).end() :]  # type: ignore[union-attr]  # it matches the empty string
    if not raw:
        raise click.UsageError("no token: give it on standard input, never as an argument")
    return raw


def _write(text: str) -> None:
    """A line that can't steer a terminal, whatever an issuer calls its keys."""
    click.echo("".join(char if char.isprintable() else repr(char)[1:-1] for char in text))
