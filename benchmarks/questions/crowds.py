"""Many requests at once: how often is the issuer asked, and does everybody get an answer?

Every endpoint of the issuer takes 100 ms here, and the servers have a thread for every request, so that nobody is served in turn.
"""

from __future__ import annotations

from collections import Counter
from statistics import median

from ..harness.guarded import CLAIMS
from ..harness.issuer import Issuer
from ..harness.load import Load, compose
from ..harness.measure import Options
from ..harness.report import Row, Table
from ..harness.subjects import BY_HAND, OURS, PEER_SUBJECTS, Server, Subject, pin_load

__all__ = ["answer"]

_CROWD = 64
_CALM = 20


def answer(options: Options) -> Table:
    pin_load()
    subjects = (OURS, *PEER_SUBJECTS, *BY_HAND) if options.peers else (OURS,)
    rounds = 3 if options.quick else 7
    rows = []
    for subject in subjects:
        if "remote" in subject.paths:
            rows += _ask_live(subject, rounds)
    for subject in subjects:
        if "local" in subject.paths:
            rows += _start_cold(subject, rounds)
    for subject in subjects:
        if "remote" in subject.paths:
            rows.append(_repeat_inactive(subject))
    return Table("64 requests at once; the same inactive token again and again", rows)


def _ask_live(subject: Subject, rounds: int) -> list[Row]:
    asked, errors = [], 0
    with Issuer() as issuer, Server(subject, issuer, threads=_CROWD) as server, Load(server.port, _CROWD) as load:
        first = issuer.mint(1, **CLAIMS, **subject.claims)[0]
        load.drive([compose(subject.paths["remote"], first)])
        issuer.fail("slow")
        for _ in range(rounds):
            token = issuer.mint(1, **CLAIMS, **subject.claims)[0]
            before = issuer.calls["introspection"]
            answers = load.drive([compose(subject.paths["remote"], token)] * _CROWD)
            asked.append(issuer.calls["introspection"] - before)
            errors += _CROWD - answers.statuses[200]
    ours = subject is OURS
    return [
        Row(f"one new token, live, introspections: {subject.name}", max(asked), "calls", at_most=2 if ours else None),
        Row(f"one new token, live, errors: {subject.name}", errors, "errors", at_most=0 if ours else None),
    ]


def _start_cold(subject: Subject, rounds: int) -> list[Row]:
    metadata, keys, statuses = [], [], Counter[int]()
    for _ in range(rounds):
        with Issuer() as issuer, Server(subject, issuer, threads=_CROWD) as server, Load(server.port, _CROWD) as load:
            issuer.fail("slow")
            token = issuer.mint(1, **CLAIMS)[0]
            before = issuer.calls
            statuses += load.drive([compose(subject.paths["local"], token)] * _CROWD).statuses
            metadata.append(issuer.calls["metadata"] - before["metadata"])
            keys.append(issuer.calls["keys"] - before["keys"])
    ours = subject is OURS
    reach = 1 if ours else None
    errors = statuses.total() - statuses[200]
    return [
        Row(f"cold start, metadata fetches: {subject.name}", max(metadata), "calls", at_most=reach),
        Row(
            f"cold start, JWKS fetches: {subject.name}",
            max(keys),
            "calls",
            at_most=reach,
            note=f"median {median(keys)}",
        ),
        Row(f"cold start, errors: {subject.name}", errors, "errors", at_most=0 if ours else None),
    ]


def _repeat_inactive(subject: Subject) -> Row:
    with Issuer() as issuer, Server(subject, issuer) as server, Load(server.port, 1) as load:
        token = issuer.call("issuer.mint_opaque", {**CLAIMS, **subject.claims})
        issuer.call("issuer.revoke", token)
        before = issuer.calls["introspection"]
        answers = load.drive([compose(subject.paths["remote"], token)] * _CALM)
        if answers.statuses[200]:
            raise AssertionError(f"{subject.name} let an inactive token in")
        asked = issuer.calls["introspection"] - before
    reach = 1 if subject is OURS else None
    return Row(f"the same inactive token {_CALM} times, introspections: {subject.name}", asked, "calls", at_most=reach)
