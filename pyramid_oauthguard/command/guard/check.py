"""``oauthguard check``: check the configuration of an application."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from ...errors import SettingError
from ...exit_status import TIMEOUT
from ...interfaces import Finding, ISelfCheck, Step
from ..application_file import load_registry
from ..as_client.options import build_visit, client_check_options, refuse_client_options
from ..as_client.server import describe_leftover
from ..as_client.steps import check_as_client
from ..as_client.visit import Visit
from ..completing import complete_files
from ..output import FORMAT
from ..parameters import debug_option, pass_run
from ..run import Run
from .deadline import Deadline
from .options import START, silence, timeout_option
from .report import Findings

__all__ = ["check"]


@click.command()
@click.argument("ini", metavar="INI[#SECTION]", required=False, shell_complete=complete_files)
@click.option(
    "--as-client", "url", metavar="URL", help="Check an API as a client that knows only its URL, without INI."
)
@client_check_options
@FORMAT
@timeout_option
@debug_option
@pass_run
def check(run: Run, ini: str | None, url: str | None, style: str, seconds: float) -> None:
    """Check the configuration in INI, or what a client meets at a URL.

    Starts the application, asks the issuer, compares its metadata and clock with the settings, lists the usable keys,
    and lists every guarded view with its check, requirement and permission. INI may end in #name for a section other
    than [app:main].

    Exit status 0: no error, perhaps warnings; 1: the configuration has an error; 4: a step did not end in time; 6: the
    issuer can't be reached.
    """
    if (ini is None) == (url is None):
        raise click.UsageError("give either the ini file of an application, or --as-client and the URL of an API")
    if ini is not None:
        refuse_client_options(run)
    found = Findings(run.console, style)
    visit = None if url is None else build_visit(run, url)
    with silence(), Deadline(seconds, lambda step: _give_up(found, step, seconds, visit), status=TIMEOUT) as deadline:
        deadline.step = START
        with found.telling_programs():
            for each in _visit(visit, deadline) if visit else _collect(load_registry(str(ini)), str(ini), deadline):
                found.show(each)
        found.end()
    click.get_current_context().exit(found.status)


def _give_up(found: Findings, step: str, seconds: float, visit: Visit | None) -> None:
    if visit is not None and visit.registration is not None:
        found.show(describe_leftover(visit.registration))
    found.give_up(step, seconds)


def _visit(visit: Visit, deadline: Deadline) -> Iterator[Finding]:
    for each in check_as_client(visit):
        if isinstance(each, Step):
            deadline.step = each.subject
        else:
            yield each


def _collect(registry: Any, ini: str, deadline: Deadline) -> Iterator[Finding]:
    checks = sorted(registry.getUtilitiesFor(ISelfCheck), key=lambda named: str(named[0]))
    if not checks:
        hint = 'config.include("pyramid_oauthguard") guards it'
        raise SettingError(ini, "its application has nothing to check", hint)
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
