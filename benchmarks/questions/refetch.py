"""How long does a good token wait while the keys are fetched again because of another party's unknown one?

The issuer takes 100 ms. Good requests are sent every 5 ms, each on a connection of its own, whether or not the ones before were
answered: a server that stands still is charged for all who would have come.
"""

from __future__ import annotations

import time
from statistics import median

from ..harness.guarded import CLAIMS
from ..harness.issuer import Issuer
from ..harness.load import Load, compose
from ..harness.measure import Options
from ..harness.report import Row, Table
from ..harness.subjects import OURS, PEER_SUBJECTS, Server, Subject, pin_load

__all__ = ["answer"]

_TAKES = 0.1
_STEP = 0.005
_COOLDOWN = 1


def answer(options: Options) -> Table:
    pin_load()
    subjects = (OURS, *PEER_SUBJECTS[:2], PEER_SUBJECTS[3]) if options.peers else (OURS,)
    series: dict[str, list[tuple[float, float]]] = {}
    rows = [_measure(subject, 7 if options.quick else 15, series) for subject in subjects]
    return Table(
        "A good token's latency while an unknown kid is refetched from an issuer that takes 100 ms / idle", rows, series
    )


def _measure(subject: Subject, rounds: int, series: dict[str, list[tuple[float, float]]]) -> Row:
    path, count = subject.paths["local"], int(_TAKES / _STEP) - 1
    ratios, idles, waits = [], [], []
    steps_taken: dict[int, list[float]] = {}
    with (
        Issuer() as issuer,
        Server(subject, issuer, cooldown=_COOLDOWN) as server,
        Load(server.port, count + 4) as load,
    ):
        good = compose(path, issuer.mint(1, **CLAIMS)[0])
        load.drive([good] * 200)
        issuer.fail("slow", "keys", delay=_TAKES)
        before = issuer.calls["keys"]
        steps = [(_STEP * (number + 1), good) for number in range(count)]
        for number in range(rounds):
            bad = compose(path, issuer.call("issuer.mint", CLAIMS, header={"kid": f"unknown-{number}"}))
            time.sleep(_COOLDOWN + 0.2)
            idle = [took for _at, took in load.schedule(steps).times]
            busy = [each for each in load.schedule([(0.0, bad), *steps]).times if each[0] >= _STEP / 2]
            idles.append(median(idle))
            waits.append(median(took for _at, took in busy))
            ratios.append(waits[-1] / idles[-1])
            for at, took in busy:
                steps_taken.setdefault(round(at / _STEP), []).append(took)
        fetched = issuer.calls["keys"] - before
    series[subject.name] = [
        (step * _STEP * 1e3, round(median(took) * 1e3, 3)) for step, took in sorted(steps_taken.items())
    ]
    note = f"{median(waits) * 1e3:.2f} / {median(idles) * 1e3:.2f} ms; {fetched} refetches in {rounds} rounds"
    return Row(subject.name, round(median(ratios), 2), at_most=1.5 if subject is OURS else None, note=note)
