"""What ``oauthguard check`` and ``oauthguard explain`` write: lines for people as they come, or one JSON document."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import IO, Any, Final

import click

from ...exit_status import INACTIVE, OK, TIMEOUT
from ...interfaces import Finding
from .explanation import Explanation

__all__ = ["Findings", "Outcomes"]

_MARKS: Final = {"ok": "  ok  ", "warning": "  warn", "error": "  FAIL"}
_MAX_ANSWER: Final = 4000


class _Report:
    """:param out: where it is written. While an application starts, ``sys.stdout`` is another one."""

    def __init__(self, style: str, out: IO[Any]) -> None:
        self._is_json = style == "json"
        self._out = out
        self._shown: list[Any] = []

    def end(self) -> None:
        """Nothing more is found."""
        if self._is_json:
            document = json.dumps([asdict(each) for each in self._shown], indent=2, default=str)
            click.echo(document, file=self._out)
        self._out.flush()

    def _write(self, text: str) -> None:
        """A line that can't steer a terminal, whatever an issuer calls its keys."""
        line = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
        click.echo(line, file=self._out)


class Findings(_Report):
    """The findings of ``check``, each as soon as it is there: an issuer may take its time."""

    def show(self, finding: Finding) -> None:
        self._shown.append(finding)
        if self._is_json:
            return
        self._write(f"{_MARKS[finding.level]}  {finding.subject}: {finding.text}")
        if finding.hint:
            self._write(f"          {finding.hint}")

    def end(self) -> None:
        super().end()
        if not self._is_json:
            click.echo(", ".join(self._count(level) for level in ("error", "warning")), err=True)

    def give_up(self, step: str, seconds: float) -> None:
        """``step`` did not end in ``seconds``."""
        text = f"did not end within {seconds:g} s; what comes after it was not looked at"
        self.show(Finding("error", step, text, "--timeout gives it longer", TIMEOUT))
        self.end()

    @property
    def status(self) -> int:
        return max((each.status for each in self._shown if each.level == "error"), default=0)

    def _count(self, level: str) -> str:
        number = sum(each.level == level for each in self._shown)
        return f"{number} {level}{'' if number == 1 else 's'}"


class Outcomes(_Report):
    """The outcomes of ``explain``, one a mode."""

    def show(self, outcome: Explanation) -> None:
        self._shown.append(outcome)
        if self._is_json:
            return
        verdict = "accepted" if outcome.reason is None else outcome.reason
        word = {OK: "", INACTIVE: "REFUSED: "}.get(outcome.status, "CAN'T SAY: ")
        self._write(f"{outcome.mode:6}  {word}{verdict}")
        self._write(f"        {outcome.text}")
        if outcome.answer is not None:
            answer = json.dumps(outcome.answer, ensure_ascii=False, default=str)
            self._write(f"        answer:  {answer[:_MAX_ANSWER]}")
        for line in outcome.keys:
            self._write(f"        key:     {line}")
        if outcome.setting:
            self._write(f"        setting: {outcome.setting}")
        if outcome.advice:
            self._write(f"        to do:   {outcome.advice}")

    def give_up(self, step: str, seconds: float) -> None:
        """``step`` did not end in ``seconds``."""
        text = f"{step} did not end within {seconds:g} s"
        self.show(Explanation("any", "timeout", text, None, "oauthguard check looks at each step", TIMEOUT))
        self.end()

    @property
    def status(self) -> int:
        statuses = {each.status for each in self._shown}
        return INACTIVE if INACTIVE in statuses else max(statuses, default=0)
