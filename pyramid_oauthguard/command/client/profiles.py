"""``oauthguard profiles``."""

from __future__ import annotations

import difflib
from dataclasses import asdict

import click

from ...client.errors import CommandError
from ...client.storage.profiles import Profile
from ...exit_status import USAGE
from ..completing import complete_profiles
from ..parameters import pass_run, profile_option, speech_options
from ..run import Run


@click.group(
    invoke_without_command=True,
)
@click.option("--format", "form", type=click.Choice(["table", "json"]), help="A table on a terminal, JSON in a pipe.")
@profile_option
@speech_options
@click.pass_context
def profiles(ctx: click.Context, form: str | None) -> None:
    """List the logins: several issuers and accounts side by side, the current one marked.

    \b
      oauthguard login --profile work --issuer …
      oauthguard profiles use work
      oauthguard --profile home token
    """
    if ctx.invoked_subcommand is None:
        _list(ctx.obj, form)


@profiles.command()
@click.argument("name", shell_complete=complete_profiles)
@pass_run
def use(run: Run, name: str) -> None:
    """Make NAME the profile that is used by default."""
    if run.profiles.load(name) is None:
        names = run.profiles.list()
        near = difflib.get_close_matches(name, names, 1)
        advice = f"did you mean {near[0]}?" if near else f"there are: {', '.join(names) or 'none'}"
        raise CommandError(USAGE, f"there is no profile {name}", advice)
    run.profiles.choose(name)
    run.console.say(f"The current profile is {name}.")


def _list(run: Run, form: str | None) -> None:
    found, faults = _load_all(run)
    _write(run, found, form)
    for fault in faults[:-1]:
        run.console.fail(str(fault))
    if faults:
        raise faults[-1]


def _load_all(run: Run) -> tuple[list[Profile], list[CommandError]]:
    """The profiles, and what is wrong with those that can't be read: they must not hide the others."""
    found, faults = [], []
    for name in run.profiles.list():
        try:
            profile = run.profiles.load(name)
        except CommandError as error:
            faults.append(error)
        else:
            found += [profile] if profile is not None else []
    return found, faults


def _write(run: Run, found: list[Profile], form: str | None) -> None:
    current = run.profile_name
    if form == "json" or (form is None and not run.console.is_terminal):
        run.console.write_json([{**asdict(profile), "current": profile.name == current} for profile in found])
        return
    for profile in found:
        mark = "*" if profile.name == current else " "
        who = profile.signed_in_as or "?"
        run.console.write_line(f"{mark} {profile.name:<12}  {who:<20}  {profile.client_id} at {profile.issuer}")
    if not found:
        run.console.say("There is no login; oauthguard login makes one")
