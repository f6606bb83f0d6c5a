"""How much memory does a flood of distinct tokens leave behind? Each flood in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

from ..harness.environments import build_command
from ..harness.measure import Options
from ..harness.report import Row, Table

__all__ = ["answer"]

_FLOODS = {
    "local, valid": ("local", "valid"),
    "local, forged": ("local", "forged"),
    "remote cached, valid": ("remote", "valid"),
    "remote, inactive": ("remote", "inactive"),
}


def answer(options: Options) -> Table:
    count = 20_000 if options.quick else 1_000_000
    rows, series = [], {}
    for name, (mode, kind) in _FLOODS.items():
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks.harness.flood", mode, kind, str(count)]
        curve = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        series[name] = [(seen, round(megabytes, 1)) for seen, megabytes in curve]
        rows.append(Row(name, round(curve[-1][1], 1), "MB", at_most=15, note=f"{count:,} tokens, {_describe(curve)}"))
    if options.peers:
        command = [*build_command("by_hand"), json.dumps({"flood": count})]
        grown = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        series["by hand, a verdict in dogpile's memory"] = grown
        rows.append(
            Row("by hand, a verdict in dogpile's memory", round(grown[-1][1], 1), "MB", note=f"{count:,} tokens")
        )
    return Table("Memory: growth of the process under a flood of distinct tokens, default sizes", rows, series)


def _describe(curve: list[tuple[int, float]]) -> str:
    halfway = next(megabytes for seen, megabytes in curve if seen >= curve[-1][0] / 2)
    return f"of it {curve[-1][1] - halfway:+.1f} MB in the second half"
