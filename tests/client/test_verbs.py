"""The table of verbs: each entry exists, and so does its help."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from pyramid_oauthguard import command
from pyramid_oauthguard.command.verbs import VERBS, cli

#: Modules of the verbs' packages that are not verbs themselves.
SHARED = {
    "client.known_by_url",
    "client.missing",
    "client.qr_code",
    "client.sign_in",
    "guard.deadline",
    "guard.explanation",
    "guard.issuer_wording",
    "guard.options",
    "guard.report",
    "guard.token_facts",
    "guard.wording",
}


@pytest.mark.parametrize("name", VERBS)
def test_each_verb_exists_and_has_help(name: str) -> None:
    loaded = VERBS[name].load()
    assert isinstance(loaded, click.Command)
    result = CliRunner().invoke(cli, [name, "--help"])
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"Usage: cli {name} ")
    assert loaded.get_short_help_str(limit=200)


def test_each_module_of_a_verb_is_in_the_table() -> None:
    folder = Path(command.__path__[0])
    found = {
        f"{package}.{path.stem}"
        for package in ("client", "guard")
        for path in (folder / package).glob("*.py")
        if path.stem != "__init__"
    }
    assert found - SHARED == {verb.module for verb in VERBS.values()} - {"server"}


def list_commands(group: click.Command, *names: str) -> list[tuple[str, ...]]:
    if not isinstance(group, click.Group):
        return [names]
    return [names, *(each for name, command in group.commands.items() for each in list_commands(command, *names, name))]


@pytest.mark.parametrize("names", list_commands(VERBS["server"].load(), "server"), ids=" ".join)
def test_each_command_of_the_server_has_help(names: tuple[str, ...]) -> None:
    result = CliRunner().invoke(cli, [*names, "--help"])
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"Usage: cli {' '.join(names)} ")


def test_help_lists_each_verb_with_its_text() -> None:
    shown = " ".join(CliRunner().invoke(cli, ["--help"]).stdout.split())
    for name, verb in VERBS.items():
        assert f"{name} {verb.text}" in shown
