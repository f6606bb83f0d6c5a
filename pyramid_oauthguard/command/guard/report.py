"""What ``oauthguard check`` and ``oauthguard explain`` print: lines, each printed at once, or one JSON document."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, Final

from ...client.text import clean
from ...errors import SettingError
from ...exit_status import INACTIVE, OK, TIMEOUT, USAGE
from ...interfaces import Finding
from ..output import Console
from .explanation import Explanation

__all__ = ["Findings", "Outcomes"]

_MARKS: Final = {"ok": "  ok  ", "warning": "  warn", "error": "  FAIL"}
_MOST_ANSWER_CHARS: Final = 4000


class _Report:
    def __init__(self, console: Console, style: str) -> None:
        self._console = console
        self._is_json = style == "json"
        self._shown: list[Any] = []

    def end(self) -> None:
        """All findings are reported."""
        if self._is_json:
            self._console.write_json([asdict(each) for each in self._shown])
        self._console.flush()

    @contextmanager
    def telling_programs(self) -> Iterator[None]:
        """Report in JSON, too, why the application does not start. A person reads the line that every failure has."""
        try:
            yield
        except SettingError as error:
            if self._is_json:
                self._shown.append(self._describe(error))
                self._console.write_json([asdict(each) for each in self._shown])
            raise

    def _describe(self, error: SettingError) -> Any:
        raise NotImplementedError

    def _write(self, text: str) -> None:
        self._console.write_line(clean(text))


class Findings(_Report):
    """The findings of ``check``, each as soon as it is known: an issuer may be slow."""

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
            self._console.say(", ".join(self._count(level) for level in ("error", "warning")))

    def _describe(self, error: SettingError) -> Finding:
        return Finding("error", error.key, error.problem, error.hint, USAGE)

    def give_up(self, step: str, seconds: float) -> None:
        """``step`` did not end in ``seconds``."""
        text = f"did not end within {seconds:g} s; the steps after it were not checked"
        self.show(Finding("error", step, text, "--timeout allows more time", TIMEOUT))
        self.end()

    @property
    def status(self) -> int:
        return max((each.status for each in self._shown if each.level == "error"), default=0)

    def _count(self, level: str) -> str:
        number = sum(each.level == level for each in self._shown)
        return f"{number} {level}{'' if number == 1 else 's'}"


class Outcomes(_Report):
    """The outcomes of ``explain``, one for each mode."""

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
            self._write(f"        answer:  {answer[:_MOST_ANSWER_CHARS]}")
        for line in outcome.keys:
            self._write(f"        key:     {line}")
        for line in outcome.views:
            self._write(f"        view:    {line}")
        for line in outcome.others:
            self._write(f"        other:   {line}")
        if outcome.setting:
            self._write(f"        setting: {outcome.setting}")
        if outcome.advice:
            self._write(f"        to do:   {outcome.advice}")

    def _describe(self, error: SettingError) -> Explanation:
        return Explanation("any", "not_started", f"{error.key}: {error.problem}", error.key, error.hint, USAGE)

    def give_up(self, step: str, seconds: float) -> None:
        """``step`` did not end in ``seconds``."""
        text = f"{step} did not end within {seconds:g} s"
        self.show(Explanation("any", "timeout", text, None, "oauthguard check names each step", TIMEOUT))
        self.end()

    @property
    def status(self) -> int:
        statuses = {each.status for each in self._shown}
        return INACTIVE if INACTIVE in statuses else max(statuses, default=0)
