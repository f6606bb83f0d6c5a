"""What does a guarded request cost on a real server over an unguarded one: ours and the peers', over sockets?

CPU time of the server's process, which has one core to itself, over a fixed number of requests on eight connections.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle, islice

from ..harness.guarded import CLAIMS
from ..harness.issuer import Issuer
from ..harness.load import Load, compose
from ..harness.measure import Comparison, Options, summarize
from ..harness.report import Row, Table
from ..harness.subjects import BY_HAND, OURS, PEER_SUBJECTS, Server, Subject, pin_load

__all__ = ["answer"]

_REACH = {"local": 0.92, "in turn": 0.92, "new": 0.70, "remote_cached": 0.92, "remote": None}
_SAYS = {
    "local": "one warm token",
    "in turn": "10,000 tokens in turn",
    "new": "every token new",
    "remote_cached": "remote, cached, warm",
    "remote": "remote, live",
}
_IN_TURN = 10_000
#: Behind a peer's median, at most: ours is a few per cent from what it is compared with, theirs are far off.
_PEER_PAIRS = 7


def answer(options: Options) -> Table:
    """The table of CPU per unguarded request over CPU per guarded request."""
    pin_load()
    subjects = (OURS, *PEER_SUBJECTS, *BY_HAND) if options.peers else (OURS,)
    rows = []
    with Issuer() as issuer:
        tokens = _Tokens(issuer, options)
        for case in _REACH:
            for subject in subjects:
                mode = "local" if case in ("in turn", "new") else case
                if mode in subject.paths:
                    rows += _measure(subject, case, issuer, tokens, options)
    return Table("waitress (peers: their own servers), 8 connections: CPU per unguarded request / per guarded", rows)


class _Tokens:
    """The same tokens for every subject; made once, since signing takes longest."""

    def __init__(self, issuer: Issuer, options: Options) -> None:
        self._issuer = issuer
        self.batch = 300 if options.quick else 500
        self.pairs = options.pairs
        self._many: list[str] = []

    def find(self, case: str, subject: Subject) -> Iterator[str]:
        if case in ("in turn", "new"):
            wanted = _IN_TURN if case == "in turn" else self.batch * (self.pairs + 1) + 1
            if len(self._many) < wanted:
                self._many += self._issuer.mint(wanted - len(self._many), **CLAIMS)
            return cycle(self._many[:_IN_TURN]) if case == "in turn" else iter(self._many)
        return cycle(self._issuer.mint(1, **CLAIMS, **subject.claims))


def _measure(subject: Subject, case: str, issuer: Issuer, tokens: _Tokens, options: Options) -> Iterator[Row]:
    caching = {"oauthguard.cache.introspection.expiration_time": "300"} if case == "remote_cached" else {}
    path = subject.paths["local" if case in ("in turn", "new") else case]
    ours = subject is OURS
    with Server(subject, issuer, **caching) as server, Load(server.port) as load:
        following = tokens.find(case, subject)
        if case == "in turn":
            _cost(server, load, path, following, 2 * _IN_TURN)  # some things are only kept from a second use on
        pairs = options.pairs if ours else min(options.pairs, _PEER_PAIRS)
        found = _compare(server, load, path, following, batch=tokens.batch, pairs=pairs)
        reach = _REACH[case] if ours else None
        yield Row.of(f"{_SAYS[case]}: {subject.name}", found, at_least=reach, note=subject.describe())
        if ours and case == "local":
            noop = _compare(server, load, "/noop", following, batch=tokens.batch, pairs=pairs)
            yield Row.of(f"{_SAYS[case]}: a no-op policy and the same ACL", noop)


def _compare(server: Server, load: Load, path: str, following: Iterator[str], *, batch: int, pairs: int) -> Comparison:
    base = "/open"
    unguarded_ones = cycle(islice(following, 1))  # what token it is makes no difference there
    guarded, unguarded = [], []
    for number in range(pairs + 1):
        costs = {}
        for each in (path, base) if number % 2 else (base, path):
            costs[each] = _cost(server, load, each, following if each == path else unguarded_ones, batch)
        if number:  # the first pair warms up
            guarded.append(costs[path])
            unguarded.append(costs[base])
    return summarize(guarded, unguarded).inverse


def _cost(server: Server, load: Load, path: str, following: Iterator[str], count: int) -> float:
    """Seconds of the server's CPU for one request."""
    requests = [compose(path, token) for token in islice(following, count)]
    begun = server.cpu
    answers = load.drive(requests)
    spent = server.cpu - begun
    if answers.statuses != {200: count}:
        raise AssertionError(f"{server.subject.name} answered {path} with {dict(answers.statuses)}")
    return spent / count
