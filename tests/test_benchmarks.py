"""Which results of `python -m benchmarks` are written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks import __main__ as benchmarks
from benchmarks.harness.report import Table
from benchmarks.questions import metrics, warm

QUESTIONS = Path(benchmarks.__file__).parent / "questions"


def test_what_measures_other_libraries_is_listed() -> None:
    reading = {name for name in benchmarks.QUESTIONS if "options.peers" in (QUESTIONS / f"{name}.py").read_text()}
    assert reading == benchmarks.WITH_PEERS


@pytest.mark.parametrize(
    ("arguments", "written"),
    [([], ["warm", "metrics"]), (["--no-peers"], ["metrics"]), (["--quick"], []), (["--quick", "--no-peers"], [])],
)
def test_a_benchmark_without_peers_is_written_where_peers_are_left_out(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], written: list[str]
) -> None:
    found: list[str] = []

    def keep(name: str, _table: Table, **_facts: Any) -> None:
        found.append(name)

    for question in (warm, metrics):
        monkeypatch.setattr(question, "answer", lambda _options: Table("", []))
    monkeypatch.setattr(benchmarks, "write", keep)
    monkeypatch.setattr(benchmarks, "publish", lambda _names: None)
    monkeypatch.setattr("sys.argv", ["benchmarks", "warm", "metrics", *arguments])
    monkeypatch.setattr("signal.signal", lambda *_handler: None)
    benchmarks.main()
    assert found == written
