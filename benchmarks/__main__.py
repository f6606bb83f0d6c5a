"""``python -m benchmarks``: every question, its table, results/*.json and what the documentation shows of them."""

from __future__ import annotations

import argparse
import importlib
import signal
import sys
import time
from typing import Final

from .harness.measure import Options
from .harness.publish import publish
from .harness.report import describe_machine, render, write

#: In the order in which the documentation answers them.
QUESTIONS: Final = (
    "warm",
    "cold",
    "fast_paths",
    "metrics",
    "served",
    "live",
    "several",
    "crowds",
    "refetch",
    "strangers",
    "growth",
    "memory",
    "outage",
    "slow_issuer",
    "soak",
    "introspecting",
    "issuing",
    "unused_clients",
    "shared",
)
#: Those that measure other libraries, too. Without these, the answer is not whole, and is not written.
WITH_PEERS: Final = frozenset({
    "warm", "cold", "served", "crowds", "refetch", "strangers", "growth", "memory", "introspecting", "issuing",
})  # fmt: skip
#: Those that a quick run answers.
QUICK: Final = ("warm", "cold")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("questions", nargs="*", metavar="question", help=f"of {', '.join(QUESTIONS)}; default: all")
    parser.add_argument("--quick", action="store_true", help="under a minute, without the peers; writes nothing")
    parser.add_argument(
        "--no-peers",
        dest="peers",
        action="store_false",
        help="without the other libraries; writes only what has none of them",
    )
    parser.add_argument("--pairs", type=int, help="interleaved pairs behind each median (31; quick: 21)")
    given = parser.parse_args()
    unknown = set(given.questions) - set(QUESTIONS)
    if unknown:
        parser.error(f"no such question: {', '.join(sorted(unknown))}")
    options = Options(
        pairs=given.pairs or (21 if given.quick else 31),
        seconds=0.03 if given.quick else 0.05,
        quick=given.quick,
        peers=given.peers and not given.quick,
    )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the servers under test end, too
    machine = describe_machine()
    print(machine)
    for name in given.questions or (QUICK if given.quick else QUESTIONS):
        begun = time.monotonic()
        table = importlib.import_module(f".questions.{name}", __package__).answer(options)
        print(render(table), f"\n({time.monotonic() - begun:.0f} s)", flush=True)
        if not options.quick and (options.peers or name not in WITH_PEERS):
            write(name, table, machine=machine, pairs=options.pairs)
            publish(QUESTIONS)


if __name__ == "__main__":
    main()
