"""``python -m benchmarks.chaos.service``: a whole service under load, disturbed in each of its parts.

    python -m benchmarks.chaos.service                 # all disturbances, about ten minutes
    python -m benchmarks.chaos.service redis keys      # those whose names contain one of these
    python -m benchmarks.chaos.service --publish       # also write the table of the documentation
    python -m benchmarks.chaos.service --list

Needed on the machine: PostgreSQL and redis-server. It ends with status 1 where something was not right.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..project import Project
from .disturbance import Disturbance, Finding
from .disturbances import DISTURBANCES
from .run import run_all
from .system import open_system
from .table import publish, tabulate

__all__: list[str] = []

_ROOT = Path(__file__).parents[3]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos.service")
    parser.add_argument(
        "words", nargs="*", metavar="word", help="disturbances whose names contain one of these; default: all"
    )
    parser.add_argument("--list", action="store_true", help="name the disturbances")
    parser.add_argument("--publish", action="store_true", help="write the table of the documentation")
    given = parser.parse_args()
    chosen = [each for each in DISTURBANCES if not given.words or any(word in each.name for word in given.words)]
    if given.list:
        print("\n".join(each.name for each in chosen))
        return
    if lacking := sorted(filter(None, {each.find_lack() for each in chosen})):
        sys.exit(f"needs {', '.join(lacking)}")
    found = _run(chosen, published=given.publish)
    print("\n" + "\n".join(tabulate(found)))
    sys.exit(any(each.faults for each in found))


def _run(chosen: list[Disturbance], *, published: bool) -> list[Finding]:
    found = []
    with open_system(Project(_ROOT)) as system:
        for finding in run_all(system, chosen):
            found.append(finding)
            _print(finding)
            if published:
                publish([finding], (each.name for each in DISTURBANCES))
    return found


def _print(finding: Finding) -> None:
    counts = finding.counts
    print(
        f"{'NOT' if finding.faults else 'ok '} {finding.name} | {counts.asked} requests, {counts.unavailable} not answered or 503, "
        f"slowest {counts.slowest:.1f} s, recovery {finding.recovery:.1f} s, {finding.lines} lines"
    )
    for text in [*finding.faults, *sorted(set(counts.wrong))[:5], *sorted(set(counts.lost))[:5], *counts.ended[:5]]:
        print(f"    {text}")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
