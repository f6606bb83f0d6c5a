"""``oauthguard settings``: the effective settings of an application."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from ...client.text import clean
from ...guard.reports.effective import EffectiveSetting, list_effective
from ...locations import find_place
from ..application_file import load_registry
from ..output import FORMAT
from ..parameters import debug_option, ini_argument, pass_run
from ..run import Run
from .options import silence

__all__ = ["settings"]


@click.command()
@ini_argument
@FORMAT
@debug_option
@pass_run
def settings(run: Run, ini: str, style: str) -> None:
    """Print the effective settings of the application of INI.

    Each setting of the guard, for each issuer, with the line that gives it, or that it is a default. Secrets are masked.
    The application is started, and no issuer is asked.
    """
    file = Path(ini.partition("#")[0])
    with silence():
        found = list(list_effective(load_registry(ini)))
    if style == "json":
        run.console.write_json([{**asdict(each), "source": _describe_source(each, file)} for each in found])
    for each in found if style != "json" else ():
        run.console.write_line(clean(f"{each.key} = {each.value}    # {_describe_source(each, file)}"))
    run.console.flush()


def _describe_source(setting: EffectiveSetting, file: Path) -> str:
    if setting.given is None:
        return "default"
    found = find_place(file, setting.given)
    place = f"{found[0].name}, line {found[1]}" if found else "set by the application, or in another file"
    return place if setting.given == setting.key else f"{place}: inherited from {setting.given}"
