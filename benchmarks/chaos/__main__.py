"""``python -m benchmarks.chaos``: each fault, what is right, and what each project does.

    python -m benchmarks.chaos                                    # this checkout
    python -m benchmarks.chaos --project ../before --project .    # before and after, side by side
    python -m benchmarks.chaos --list
    python -m benchmarks.chaos frozen redis                       # the faults whose names contain one of these

A project is a checkout with an environment of its own in ``.venv``, with the extra ``test`` and gunicorn. Its servers are
started with that environment, and are looked at from outside: by their answers and their logs. Needed on the machine:
PostgreSQL and redis-server. It ends with status 1 where something in the last project is not right.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
import time
from pathlib import Path

from .fault import Fault, Seen
from .faults import FAULTS
from .project import Project

__all__: list[str] = []


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "words", nargs="*", metavar="word", help="faults whose names contain one of these; default: all"
    )
    parser.add_argument("--project", action="append", type=Path, help="a checkout with its .venv; default: this one")
    parser.add_argument("--list", action="store_true", help="name the faults")
    given = parser.parse_args()
    faults = [fault for fault in FAULTS if not given.words or any(word in fault.name for word in given.words)]
    if given.list:
        for fault in faults:
            print(f"{fault.name}: {fault.right}")
        return
    projects = [Project(path.absolute()) for path in given.project or [Path(__file__).parents[2]]]
    found = {fault.name: [_try(fault, project) for project in projects] for fault in faults}
    _print_table(faults, projects, found)
    sys.exit(any(not seen[-1].ok for seen in found.values()))


def _try(fault: Fault, project: Project) -> Seen:
    begun = time.monotonic()
    try:
        with project.open() as stage:
            seen = fault.run(stage)
    except Exception as error:  # noqa: BLE001  # a fault that cannot be brought about is a finding, too
        seen = Seen(" ".join(f"{type(error).__name__}: {error}".split())[:200], ok=False)
    seconds = time.monotonic() - begun
    print(f"{'ok ' if seen.ok else 'NOT'} {fault.name} | {project.name} | {seen.text} ({seconds:.0f} s)", flush=True)
    return seen


def _print_table(faults: list[Fault], projects: list[Project], found: dict[str, list[Seen]]) -> None:
    print(f"\n| fault | right | {' | '.join(project.name for project in projects)} |")
    print(f"|---|---|{'---|' * len(projects)}")
    for fault in faults:
        cells = [f"{'' if seen.ok else '**'}{seen.text}{'' if seen.ok else '**'}" for seen in found[fault.name]]
        print(f"| {fault.name} | {textwrap.shorten(fault.right, 120)} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
