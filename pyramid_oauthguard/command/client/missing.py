"""What a sign-in needs and no option names: on a terminal, the user is asked."""

from __future__ import annotations

import sys
from typing import Final

import click

from ..run import Run

__all__ = ["ask_for_missing"]

_QUESTIONS: Final = (
    (
        "issuer",
        "Issuer",
        "The issuer is the address of the authorization server, as it names itself, such as https://login.example.com.",
    ),
    (
        "client_id",
        "Client id",
        "The client id is the name of this program at that server. The operator of the server registers it and tells you.",
    ),
)


def ask_for_missing(run: Run) -> None:
    """Ask for the issuer and the client id that no option names. Without a terminal, nothing is asked.

    What is typed counts as a flag.
    """
    if run.console.quiet or not (sys.stdin.isatty() and run.console.is_watched):
        return
    for name, label, text in _QUESTIONS:
        if getattr(run.options, name) is None:
            run.console.show(text)
            answer = click.prompt(label, prompt_suffix=": ", err=True).strip()
            run.add_flag(name, answer)
