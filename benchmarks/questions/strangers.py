"""1,000 distinct unknown kids in 10 seconds: how often is the issuer asked for its keys, and what of a good token meanwhile?"""

from __future__ import annotations

import time

from ..harness.guarded import CLAIMS
from ..harness.issuer import Issuer
from ..harness.load import Load, compose
from ..harness.measure import Options
from ..harness.report import Row, Table
from ..harness.subjects import BY_HAND, OURS, PEER_SUBJECTS, Server, Subject, pin_load

__all__ = ["answer"]


def answer(options: Options) -> Table:
    pin_load()
    count, seconds, cooldown = (200, 2, 3) if options.quick else (1_000, 10, 12)
    subjects = (OURS, *PEER_SUBJECTS[:2], PEER_SUBJECTS[3], BY_HAND[0]) if options.peers else (OURS,)
    rows = []
    for subject in subjects:
        for state in ("up", "down"):
            rows += _measure(subject, state, count, seconds, cooldown)
    return Table(f"{count:,} distinct unknown kids in {seconds} s; the cool-down is {cooldown} s", rows)


def _measure(subject: Subject, state: str, count: int, seconds: int, cooldown: int) -> list[Row]:
    path = subject.paths["local"]
    with Issuer() as issuer, Server(subject, issuer, cooldown=cooldown) as server, Load(server.port, 64) as load:
        good = compose(path, issuer.mint(1, **CLAIMS)[0])
        load.drive([good] * 8)
        begun = time.monotonic()
        bad = [
            compose(path, issuer.call("issuer.mint", CLAIMS, header={"kid": f"unknown-{number}"}))
            for number in range(count)
        ]
        if state == "down":
            issuer.fail("reset")
        time.sleep(max(0.0, cooldown + 0.2 - (time.monotonic() - begun)))  # the first fetch cools down, too
        before = issuer.calls.total()
        requests = []
        for number, each in enumerate(bad):
            at = number * seconds / count
            requests += [(at, each), (at, good)] if number % 10 == 0 else [(at, each)]
        statuses = load.schedule(requests).statuses
        fetches = issuer.calls.total() - before
    ours = subject is OURS
    refused = len(requests) - count - statuses[200]
    note = ", ".join(f"{status}: {times}" for status, times in sorted(statuses.items()))
    return [
        Row(f"issuer {state}, fetches: {subject.name}", fetches, "calls", at_most=1 if ours else None, note=note),
        Row(f"issuer {state}, good tokens refused: {subject.name}", refused, "tokens", at_most=0 if ours else None),
    ]
