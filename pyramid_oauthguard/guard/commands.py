"""``oauthguard check`` and ``oauthguard explain``: what a deployer asks of an ini file."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any, Final

import click
from pyramid.exceptions import ConfigurationExecutionError
from pyramid.paster import get_app

from ..errors import OAuthGuardError, SettingError
from ..interfaces import Finding, ISelfCheck
from .explanation import explain_token

__all__ = ["check", "explain"]

_MARKS: Final = {"ok": "  ok   ", "warning": "  warn ", "error": "  FAIL "}
_REFUSED: Final = 5
_FORMAT = click.option("--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True)


@click.command()
@click.argument("ini", type=click.Path(exists=True, dir_okay=False))
@_FORMAT
def check(ini: str, style: str) -> None:
    """Is the configuration in INI sound?

    Starts the application, reaches the issuer, compares its metadata and clock, lists the usable keys, and every
    guarded view with its check, requirement and permission. Exit status 0: no error; 1: the configuration has
    one; 6: the issuer can't be reached.
    """
    registry = _load(ini).registry
    checks = sorted(registry.getUtilitiesFor(ISelfCheck), key=lambda named: named[0])
    findings = [finding for _, look in checks for finding in look(registry)]
    if style == "json":
        click.echo(json.dumps([asdict(each) for each in findings], indent=2))
    else:
        for each in findings:
            _show(each)
    statuses = [each.status for each in findings if each.level == "error"]
    sys.exit(max(statuses, default=0))


@click.command()
@click.argument("ini", type=click.Path(exists=True, dir_okay=False))
@click.argument("token", type=click.File("r"), default="-")
@_FORMAT
def explain(ini: str, token: Any, style: str) -> None:
    """Why does the application of INI refuse this token?

    TOKEN is a file, or - for standard input. Runs the verifiers that the application would, names the first check
    that fails and the setting it comes from. Exit status 0: accepted; 5: refused.
    """
    raw = token.read().strip().removeprefix("Bearer ").strip()
    if not raw:
        raise click.UsageError("no token: give it on standard input, never as an argument")
    outcomes = explain_token(_load(ini).registry, raw)
    if style == "json":
        click.echo(json.dumps([asdict(each) for each in outcomes], indent=2))
    for each in outcomes if style == "text" else ():
        click.echo(f"{each.mode:6}  {'accepted' if each.reason is None else 'REFUSED: ' + each.reason}")
        click.echo(f"        {each.text}")
        if each.setting:
            click.echo(f"        setting: {each.setting}")
        if each.advice:
            click.echo(f"        to do:   {each.advice}")
    sys.exit(_REFUSED if any(each.reason for each in outcomes) else 0)


def _load(ini: str) -> Any:
    """The WSGI application of an ini file, or one line that says why there is none."""
    try:
        return get_app(ini)
    except OAuthGuardError as error:
        raise click.ClickException(str(error)) from error
    except ConfigurationExecutionError as error:
        if isinstance(error.evalue, SettingError):
            raise click.ClickException(str(error.evalue)) from error
        raise


def _show(finding: Finding) -> None:
    click.echo(f"{_MARKS[finding.level]}{finding.subject}: {finding.text}")
    if finding.hint:
        click.echo(f"         -> {finding.hint}")
